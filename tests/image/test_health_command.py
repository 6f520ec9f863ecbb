"""`ringback health`, as a container's health check runs it."""

import asyncio
import sys
from urllib.parse import urlsplit

import pytest

from app.cli.health import DOORS
from app.cli.serving import api
from app.dev.embedded_redis import free_port
from app.settings import PREFIX, Settings
from tests.peers import Receiver, Reply
from tests.processes import environment
from tests.servers import serve

_NOBODY = {"bind_port": free_port(), "worker_port": free_port()}


async def _health(*words: str, **variables: object) -> tuple[int | None, str]:
    """Return the exit code and what was said on standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "health", *words, env=environment(**variables), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return process.returncode, said.decode().strip()


def _answering(status: int) -> Receiver:
    peer = Receiver()
    peer.reply("/healthz", then=Reply(status))
    return peer


@pytest.mark.parametrize("variable", ["bind_port", "worker_port"])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (500, 1), (302, 1)])
async def test_whichever_listens_is_asked(variable: str, status: int, code: int) -> None:
    async with serve(peer := _answering(status)) as base:
        port = urlsplit(base).port
        ended, said = await _health(**(_NOBODY | {variable: port}))
    assert (ended, said) == (code, f"ringback: /healthz on 127.0.0.1:{port} answered {status}." if code else "")
    assert len(peer.at("/healthz")) == 1


async def test_a_role_is_asked_for_by_name() -> None:
    async with serve(_answering(200)) as well, serve(_answering(503)) as unwell:
        ports = {"bind_port": urlsplit(unwell).port, "worker_port": urlsplit(well).port}
        assert (await _health("worker", **ports))[0] == 0
        assert (await _health("api", **ports))[0] == 1


@pytest.mark.parametrize(
    ("words", "variables", "told"),
    [
        ([], _NOBODY, "nothing listens on 127.0.0.1:"),
        (["worker"], {"worker_port": 0}, "the port to ask is 0"),
        (["api"], {"bind_port": "many"}, "RINGBACK_BIND_PORT is impossible"),
        (["api"], _NOBODY | {"bind_host": "::"}, "nothing listens on [::1]:"),
    ],
)
async def test_what_cannot_be_asked_is_unwell(words: list[str], variables: dict[str, object], told: str) -> None:
    code, said = await _health(*words, **variables)
    assert code == 1
    assert said.startswith("ringback: ")
    assert told in said


async def test_what_listens_and_does_not_answer_is_unwell() -> None:
    peer = Receiver()
    peer.reply("/healthz", then=Reply(hangs=True))
    async with serve(peer) as base:
        code, said = await _health("api", bind_port=urlsplit(base).port)
    assert code == 1
    assert "was not answered" in said


def test_where_to_ask_is_where_the_processes_listen_by_default() -> None:
    options = {parameter.name: parameter for parameter in api.params}
    door = DOORS["api"]
    for variable, default, name in ((door.host_variable, door.host, "host"), (door.port_variable, door.port, "port")):
        assert (options[name].envvar, options[name].default) == (variable, default)
    door = DOORS["worker"]
    settings = {f"{PREFIX}{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    assert settings[door.host_variable] == door.host
    assert settings[door.port_variable] == door.port
