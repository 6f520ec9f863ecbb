"""The image, built with buildah and without a daemon on a base that is made here from Debian's packages."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.processes import ROOT

# The Dockerfile's own base is laid out like this one, but has a Python of its own build.
BASE = "python:3.11-slim-bookworm"
IMAGE = "ringback:check"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_NOT_IN_A_SLIM_IMAGE = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
_TOOLS = ("buildah", "crun", "debootstrap")


def missing_tools() -> list[str]:
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def run(*words: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command of this machine and return what it printed; what it says beside that is shown if it fails."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=env, cwd=ROOT)  # noqa: S603 -- ours
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


class Store:
    """Images in a folder of their own, so that those of the machine are left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = ("--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "vfs")

    def make_base(self) -> None:
        """Make what stands in for the official image: Debian, Python and pip, at the official image's names."""
        tree = self._folder / "base"
        if not (tree / "usr/local/bin/python").is_symlink():
            shutil.rmtree(tree, ignore_errors=True)
            run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(tree))
            _lay_out(tree)
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, str(tree), "/")
        self._buildah("commit", "--quiet", "--rm", "--format", "docker", container, BASE)

    def build(self, options: Sequence[str]) -> None:
        """Build the Dockerfile; `options` give it what this machine's pip needs, such as `--secret id=pip,src=…`."""
        self._buildah(
            "build", "--isolation", "chroot", "--format", "docker", "--pull=never", *options, "--tag", IMAGE, "."
        )

    def config(self) -> dict[str, Any]:
        """Return the image's configuration: its user, entry point, environment and health check."""
        described = json.loads(self._buildah("inspect", "--type", "image", IMAGE))
        config: dict[str, Any] = described["Docker"]["config"]
        return config

    def megabytes(self, image: str) -> float:
        described = json.loads(self._buildah("images", "--json", image))
        return float(described[0]["size"].split()[0])

    def mount(self) -> tuple[str, Path]:
        """Mount the image's files, and return their container's name and their place."""
        container = self._buildah("from", "--pull=never", IMAGE)
        return container, Path(self._buildah("mount", container))

    def remove(self, container: str) -> None:
        self._buildah("rm", container)

    def _buildah(self, command: str, *words: str) -> str:
        return run("buildah", *self._own, command, *words)


def _lay_out(tree: Path) -> None:
    wheel = next((tree / "usr/share/python-wheels").glob("pip-*.whl")).relative_to(tree)
    pip = ("env", f"PYTHONPATH=/{wheel}", "python3", "-m", "pip")
    run("chroot", str(tree), *pip, "install", "--no-index", "--break-system-packages", f"/{wheel}")
    next((tree / "usr/lib").glob("python3.*/EXTERNALLY-MANAGED")).unlink()
    for name in _NOT_IN_A_SLIM_IMAGE:
        shutil.rmtree(tree / name, ignore_errors=True)
    for name in ("python3", "python"):
        (tree / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
