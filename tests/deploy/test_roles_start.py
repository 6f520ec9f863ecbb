"""The processes as the manifests start them: with their environment and their commands, asked at their probes."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import free_port
from app.settings import _REQUIRED, PREFIX
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.deploy.reading import ROLES, Pod, environment_of, pod_of, probes_of
from tests.deploy.rendering import BASE, documents_of
from tests.deploy.test_manifests import rendered
from tests.processes import ROOT, Process, environment, until_ready

_REDIS_URL = "redis://redis.example.com:6379/0"
_SECRETS = {
    f"{PREFIX}ADMIN_KEY": ADMIN_KEY,
    f"{PREFIX}ENCRYPTION_KEYS": ENCRYPTION_KEY,
    f"{PREFIX}REDIS_URL": _REDIS_URL,
}
_CHECK = "import sys; from app.settings import load_settings; [load_settings(role) for role in sys.argv[1:]]"
_MISSING = [(role, f"{PREFIX}{name.upper()}") for role in ROLES for name in _REQUIRED[role]]  # type: ignore[index]


def _load(role: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _CHECK, role]
    return subprocess.run(  # noqa: S603 -- a script of this file
        command, check=False, cwd=ROOT, env=environment() | variables, capture_output=True, text=True, timeout=40
    )


@pytest.mark.parametrize("variant", [BASE, "dev", "production"])
@pytest.mark.parametrize("role", ROLES)
def test_every_required_setting_is_given(variant: str, role: str) -> None:
    documents = rendered(variant)
    outcome = _load(role, environment_of(documents, pod_of(documents, role), _SECRETS))
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize(("role", "name"), _MISSING)
def test_a_missing_one_would_be_noticed(role: str, name: str) -> None:
    documents = documents_of(BASE)
    given = environment_of(documents, pod_of(documents, role), _SECRETS)
    outcome = _load(role, {other: value for other, value in given.items() if other != name})
    assert outcome.returncode == 1
    assert f"{name} is missing" in outcome.stderr


class Running:
    """A pod's process on this machine: a free port of the loopback address stands for the container's."""

    def __init__(self, pod: Pod, variables: dict[str, str], folder: Path) -> None:
        self.pod = pod
        self.port = free_port()
        command, *arguments = pod.spec["containers"][0]["command"]
        assert command == "ringback"
        here = {"host": "127.0.0.1", "port": str(self.port)}
        moved = {f"{PREFIX}{kind}_{name.upper()}": value for kind in ("BIND", "WORKER") for name, value in here.items()}
        for option, value in here.items():
            if f"--{option}" in arguments:
                arguments[arguments.index(f"--{option}") + 1] = value
        self.process = Process(
            ["-m", "app.cli", *arguments], environment() | variables | moved, folder / f"{pod.component}.log"
        )
        self.url = f"http://127.0.0.1:{self.port}"

    async def unanswered(self) -> list[str]:
        """Ask every probe once; return those that would fail."""
        async with httpx.AsyncClient(trust_env=False, base_url=self.url) as client:
            answers = {name: await client.get(probe["httpGet"]["path"]) for name, probe in probes_of(self.pod)}
        assert answers
        return [name for name, answer in answers.items() if answer.status_code != httpx.codes.OK]


@pytest.fixture
async def started(redis_url: str, queue_url: str, tmp_path: Path) -> AsyncIterator[list[Running]]:
    documents = documents_of(BASE)
    secrets = _SECRETS | {f"{PREFIX}REDIS_URL": redis_url, f"{PREFIX}QUEUE_REDIS_URL": queue_url}
    pods = [pod_of(documents, role) for role in ROLES]
    running = [Running(pod, environment_of(documents, pod, secrets), tmp_path) for pod in pods]
    try:
        for one in running:
            one.process.start()
        await asyncio.gather(*(until_ready(one.process, f"{one.url}/readyz") for one in running))
        yield running
    finally:
        for one in running:
            one.process.kill()


@pytest.mark.e2e
async def test_every_probe_is_answered_by_the_running_processes(started: list[Running]) -> None:
    for one in started:
        assert await one.unanswered() == []
        _, probe = next(probes_of(one.pod))
        probe["httpGet"]["path"] = "/livez"
        assert await one.unanswered() == ["startupProbe"]
