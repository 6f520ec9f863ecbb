"""What is in the image, and what its user can do in a container."""

import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tests.image.building import run
from tests.image.containers import Runner

_NOT_WANTED = ("gcc", "cc", "g++", "make", "ld", "pip", "pip3", "curl", "wget", "git")
_BINARIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "opt/ringback/bin")
_SHELLS = ("sh", "dash", "bash", "busybox")


def look_inside(files: Path, config: dict[str, Any]) -> None:
    """Look at the files of the image, none of which runs here."""
    programs = {path.name for folder in _BINARIES for path in (files / folder).glob("*")}
    _report("User, Entrypoint", [config["User"], config["Entrypoint"]], holds=config["User"] == "65532:65532")
    unwanted = sorted(programs.intersection(_NOT_WANTED))
    _report("compilers, downloaders and installers", unwanted, holds=not unwanted)
    risen = [str(path.relative_to(files)) for path in _regular(files) if path.stat().st_mode & 0o6000]
    _report("setuid and setgid programs", risen, holds=not risen)
    _report("shells", sorted(programs.intersection(_SHELLS)), holds=True)
    caches = [str(path) for path in (files / "root").rglob("*") if ".cache" in path.parts]
    _report("pip's cache", caches, holds=not caches)
    library = files / "opt/ringback"
    raw = [path for path in library.rglob("*.py") if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
    _report("modules that are not compiled", raw, holds=not raw)
    owned = [path for path in _regular(files) if path.stat().st_uid == int(config["User"].split(":")[0])]
    _report("files that its user owns", owned, holds=not owned)
    _report("MB of it under /opt/ringback", [run("du", "-sm", str(library)).split()[0]], holds=True)


def one_offs(runner: Runner) -> None:
    """Run commands that end by themselves, each in a container of its own."""
    version = _said(runner, ["--version"], 0)
    _report("ringback --version", [version], holds=version.startswith("ringback "))
    refusal = _said(runner, ["dev"], 1)
    _report("ringback dev", [refusal], holds="is not installed" in refusal)
    nothing = _said(runner, ["health"], 1)
    _report("ringback health, with nothing there", [nothing], holds="nothing listens" in nothing)
    missing = _said(runner, ["worker", "poll"], 1)
    _report("ringback worker poll, without settings", [missing], holds="is missing" in missing)
    _report("id", [_said(runner, ["id"], 0, entry=False)], holds=True)
    status = _said(runner, ["grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/self/status"], 0, entry=False)
    _report("its powers", [" ".join(status.split())], holds="CapEff:\t0000000000000000" in status)
    for place in ("/", "/tmp", "/opt/ringback", "/var/tmp", "/dev/shm"):
        refused = _said(runner, ["touch", f"{place}/x"], 1, entry=False)
        _report(f"a file in {place}", [refused], holds="Read-only" in refused or "denied" in refused)


def _said(runner: Runner, words: list[str], code: int, *, entry: bool = True) -> str:
    """Return what a container said that ended with this code."""
    container = runner.container(words, {}, entry=entry)
    ended, said = container.run_to_its_end()
    if ended != code:
        sys.exit(f"make image-check: {words} ended with {ended}, not with {code}:\n{said}")
    return said


def _regular(files: Path) -> Iterator[Path]:
    for path in files.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def _report(what: str, found: object, *, holds: bool) -> None:
    click.echo(f"{what}: {found}")
    if not holds:
        sys.exit(f"make image-check: not as it should be: {what}")
