"""The Dockerfile keeps the house rules, and the build is given what it copies and nothing else."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import partial
from pathlib import Path

import pytest

from tests.image.building import BASE
from tests.image.dockerfile import Dockerfile, Stage, read_dockerfile
from tests.processes import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
# Where a name before the first slash is a host, it has a dot or a port, or is this one (the reference grammar).
_HOST = re.compile(r"^[^/]*[.:][^/]*/|^localhost/")


@pytest.fixture(scope="module")
def file() -> Dockerfile:
    return read_dockerfile()


@pytest.fixture(scope="module")
def final(file: Dockerfile) -> Stage:
    return file.stages[-1]


def test_every_stage_is_built_on_the_argument_or_on_another_stage(file: Dockerfile) -> None:
    assert [stage.base for stage in file.stages] == ["${PYTHON_IMAGE}", "dependencies", "${PYTHON_IMAGE}"]


def test_the_base_is_slim_names_no_registry_and_is_the_one_that_is_checked(file: Dockerfile) -> None:
    base = file.arguments["PYTHON_IMAGE"]
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)
    assert not _HOST.search(base)
    assert base == BASE


def test_what_is_installed_is_locked_by_hashes_or_was_built_here(file: Dockerfile) -> None:
    installing = [text for one in file.instructions for text in one.commands if re.search(r"\bpip\b.* install\b", text)]
    assert len(installing) == 3
    for command in installing:
        locked = "--require-hashes" in command and "--only-binary :all:" in command
        assert locked or ("--no-index" in command and "--no-deps" in command), command


def test_nothing_is_fetched_but_by_pip(file: Dockerfile) -> None:
    assert not any(one.word == "ADD" for one in file.instructions)
    text = " ".join(one.rest for one in file.instructions)
    assert not re.search(r"https?://|\b(curl|wget|git|apt-get|apt|apk)\b", text)


def test_the_final_stage_installs_nothing_and_removes_what_does(final: Stage) -> None:
    commands = [text for one in final.all("RUN") for text in one.commands]
    assert not any(" install" in text for text in commands)
    assert any("pip uninstall" in text for text in commands)
    assert all("--from=" in one.rest for one in final.all("COPY"))


def test_it_runs_as_a_numeric_user_that_is_not_root(final: Stage) -> None:
    assert [one.rest for one in final.all("USER")] == ["65532:65532"]
    after = final.instructions[final.instructions.index(final.all("USER")[0]) :]
    assert not {one.word for one in after} & {"RUN", "COPY", "WORKDIR"}


def test_no_shell_stands_between_the_engine_and_the_process(final: Stage) -> None:
    (entry,), (command,) = final.all("ENTRYPOINT"), final.all("CMD")
    assert entry.exec_form == ["ringback"]
    assert command.exec_form is not None
    (check,) = final.all("HEALTHCHECK")
    assert check.rest.endswith('CMD ["ringback", "health"]')


def test_it_says_what_it_is(final: Stage) -> None:
    arguments = dict(one.rest.split("=", 1) for one in final.all("ARG"))
    assert arguments == {"VERSION": _PROJECT["project"]["version"], "REVISION": "unknown"}
    labels = " ".join(one.rest for one in final.all("LABEL"))
    assert 'image.version="${VERSION}"' in labels
    assert 'image.revision="${REVISION}"' in labels
    assert f'image.licenses="{_PROJECT["project"]["license"]}"' in labels
    assert f'image.description="{_PROJECT["project"]["description"]}"' in labels


def test_what_changes_often_is_copied_after_what_is_slow(file: Dockerfile) -> None:
    for stage in file.stages[:2]:
        words = [one.rest if one.word == "COPY" else one.word for one in stage.instructions]
        lock = next(index for index, word in enumerate(words) if ".lock" in word)
        assert not any(word.startswith(("app", "workers", "pyproject.toml")) for word in words[:lock])


def test_the_build_is_given_what_it_copies_and_nothing_else(file: Dockerfile) -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = [line[1:] for line in lines if line.startswith("!")]
    copied = [one.rest.split()[:-1] for one in file.instructions if one.word == "COPY" and "--from" not in one.rest]
    assert lines[0] == "*"
    assert sorted(allowed) == sorted(name for names in copied for name in names)
    # What Python leaves beside its sources is of another machine and another moment.
    assert {"**/__pycache__", "**/*.pyc"} == {line for line in lines if line[0] != "!"} - {"*"}


def test_the_build_is_given_what_the_wheel_is_made_of(file: Dockerfile) -> None:
    project = _PROJECT["project"]
    packages = _PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", project["readme"], *project["license-files"], *packages}
    copied = {name for one in file.stages[1].all("COPY") for name in one.rest.split()[:-1]}
    assert copied == needed | {"requirements-build.lock"}


def test_what_builds_the_wheel_is_what_developers_have() -> None:
    building, developing = (
        dict(_PINNED.findall((ROOT / f"requirements-{of}.lock").read_text())) for of in ("build", "dev")
    )
    assert {re.split("[>=<]", one)[0] for one in _PROJECT["build-system"]["requires"]} <= building.keys()
    assert building.items() <= developing.items()


def test_the_wheel_that_is_made_of_it_holds_every_file_of_the_packages(file: Dockerfile, tmp_path: Path) -> None:
    """Redis' scripts and the introduction of the API's document among them."""
    context, made = tmp_path / "context", tmp_path / "made"
    context.mkdir()
    compiled = shutil.ignore_patterns("__pycache__")
    for name in (name for one in file.stages[1].all("COPY") for name in one.rest.split()[:-1]):
        source = ROOT / name
        copy = partial(shutil.copytree, ignore=compiled) if source.is_dir() else shutil.copy
        copy(source, context / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
    subprocess.run(build, check=True, capture_output=True, cwd=context)  # noqa: S603 -- our own command
    (wheel,) = made.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    packages = [path for one in ("app", "workers") for path in (ROOT / one).rglob("*") if path.is_file()]
    assert packed == {str(path.relative_to(ROOT)) for path in packages if "__pycache__" not in path.parts}
