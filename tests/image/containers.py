"""Containers of the image: crun keeps to what the image says, under a read-only root and without any capability."""

import itertools
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.image.building import run
from tests.processes import Process

# crun wants the second kind of control groups, and a machine may have both; it is to make none at all.
_WITH_CGROUPS = 'umount --recursive --lazy /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec crun "$@"'
_NUMBERS = itertools.count(1)
_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "noexec", "ro"]},
]


class Runner:
    """What all containers share: the image's files and configuration, and a folder for their own."""

    def __init__(self, folder: Path, rootfs: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        self._rootfs = rootfs
        self._config = config
        own = ("--cgroup-manager", "disabled", "--root", f"{folder}/crun")
        self._crun = ("unshare", "--mount", "sh", "-c", _WITH_CGROUPS, "crun", *own)

    @property
    def health_check(self) -> list[str]:
        """The command that asks a container whether it is well."""
        check: list[str] = self._config["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        return check[1:]

    def container(self, words: Sequence[str], settings: Mapping[str, str], *, entry: bool = True) -> "Container":
        """Return a container, not yet started, that runs the image's entry point with `words`, or `words` alone."""
        return Container(self, [*(self._config["Entrypoint"] if entry else ()), *words], settings)

    def command(self, *words: str) -> list[str]:
        return [*self._crun, *words]

    def write_bundle(self, name: str, command: Sequence[str], settings: Mapping[str, str]) -> Path:
        bundle = self._folder / name
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text(json.dumps(self._runtime_config(command, settings)))
        return bundle

    def _runtime_config(self, command: Sequence[str], settings: Mapping[str, str]) -> dict[str, Any]:
        user, group = (int(number) for number in self._config["User"].split(":"))
        none: dict[str, list[str]] = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable")}
        return {
            "ociVersion": "1.0.2",
            "root": {"path": str(self._rootfs), "readonly": True},
            "mounts": _MOUNTS,
            "process": {
                "args": list(command),
                "cwd": self._config["WorkingDir"] or "/",
                "env": [*self._config["Env"], *(f"{name}={value}" for name, value in settings.items())],
                "user": {"uid": user, "gid": group},
                "capabilities": none,
                "noNewPrivileges": True,
            },
            # The machine's own network: Redis, the upstream and the receiver are on its loopback address.
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
        }


class Container(Process):
    """A process of the image's user, the first of its namespace."""

    def __init__(self, runner: Runner, command: Sequence[str], settings: Mapping[str, str]) -> None:
        self._runner = runner
        self.name = f"ringback-{next(_NUMBERS)}"
        bundle = runner.write_bundle(self.name, command, settings)
        super().__init__([], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, bundle / "output.log")
        self._bundle = bundle

    def command(self) -> list[str]:
        return self._runner.command("run", "--bundle", str(self._bundle), self.name)

    async def terminate(self, seconds: float = 60.0) -> int:
        """Send SIGTERM to the first process, as an engine does, and return the exit code."""
        run(*self._runner.command("kill", self.name, "TERM"))
        return await self.ended(seconds)

    def freeze(self, *, still: bool) -> None:
        """Stop the first process in its tracks, or let it go on."""
        run(*self._runner.command("kill", self.name, "STOP" if still else "CONT"))

    def kill(self) -> None:
        subprocess.run(  # noqa: S603 -- our own command
            self._runner.command("delete", "--force", self.name), check=False, capture_output=True
        )
        super().kill()

    def run_to_its_end(self) -> tuple[int, str]:
        """Return the exit code and what it wrote."""
        try:
            done = subprocess.run(  # noqa: S603 -- our own command
                self.command(), check=False, capture_output=True, text=True, timeout=60
            )
        finally:
            self.kill()
        return done.returncode, (done.stdout + done.stderr).strip()

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one more command inside."""
        return subprocess.run(  # noqa: S603 -- our own command
            self._runner.command("exec", self.name, *words), check=False, capture_output=True, text=True
        )

    def resident_mebibytes(self) -> float:
        return int(self._status("VmRSS")) / 1024

    async def heeds_sigterm(self) -> bool:
        """Tell whether its first process has said by now what it does on SIGTERM: before, the signal is ignored."""
        return bool(int(self._status("SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)

    def _status(self, name: str) -> str:
        """Return what Linux says of the first process, or 0 before there is one."""
        try:
            state = json.loads((self._bundle.parent / "crun" / self.name / "status").read_text())
            status = Path(f"/proc/{state['pid']}/status").read_text()
        except (FileNotFoundError, json.JSONDecodeError):
            return "0"
        return status.split(f"{name}:")[1].split()[0]
