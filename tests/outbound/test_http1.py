"""What the client of polls owes to its own connections: many at once, between two requests, and in the same instant."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from app.outbound.dialling import Dialler
from app.outbound.egress import open_connector
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer, tls_context
from app.outbound.http1 import Bounds
from app.outbound.origin import Origin
from tests.outbound.certificates import Fault, server_tls
from tests.outbound.receivers import PATIENCE_SECONDS, Connection, Script, always_ok, floods, receiver, says, silent

_RUNNERS: dict[str, Callable[[Awaitable[None]], None]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}  # type: ignore[dict-item]
either_loop = pytest.mark.parametrize("run", _RUNNERS.values(), ids=_RUNNERS)
Run = Callable[[Awaitable[None]], None]
_REQUEST = b"GET / HTTP/1.1\r\nhost: upstream\r\n\r\n"


@asynccontextmanager
async def _origin(url: str, kept_seconds: float = 60.0, roots: Path | None = None) -> AsyncIterator[Origin]:
    dialler = Dialler(open_connector(max_connections=0, tls=tls_context(roots), keepalive_seconds=kept_seconds))
    async with aclosing(dialler), aclosing(Origin(dialler, url, kept_seconds)) as origin:
        yield origin


async def _ask(origin: Origin, deadline_seconds: float = PATIENCE_SECONDS) -> Exchange:
    return await origin.exchange(_REQUEST, Bounds(deadline_seconds, 1024))


async def _saw(script: Script) -> int | ErrorClass:
    async with receiver(script) as server, _origin(server.url) as origin:
        result = await _ask(origin)
    return result.status_code if isinstance(result, Answer) else result.error


@either_loop
def test_a_connection_that_is_taken_at_the_instant_of_its_answer_answers_its_next_request_too(run: Run) -> None:
    async def scenario() -> None:
        async def numbered(connection: Connection) -> None:
            number = 0
            while True:
                await connection.request()
                number += 1
                await connection.answer(b"%d.%d" % (connection.number, number))

        seen = []
        async with receiver(numbered) as server, _origin(server.url) as origin:

            async def asks() -> None:
                for _ in range(100):
                    result = await _ask(origin)
                    assert isinstance(result, Answer), result
                    seen.append(result.body)

            await asyncio.wait_for(asyncio.gather(*(asks() for _ in range(20))), PATIENCE_SECONDS)
            assert server.connections <= 20
        assert len(seen) == len(set(seen)) == 2000

    run(scenario())


@either_loop
@pytest.mark.parametrize(
    ("script", "saw"),
    [
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), ErrorClass.PROTOCOL),
        (says(b"HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n"), ErrorClass.PROTOCOL),
        (says(b"HTTP/1.1 101 Other\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"), 101),
        (says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\ncontent-length: 0\r\n\r\n"), ErrorClass.PROTOCOL),
        (floods(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000), ErrorClass.PROTOCOL),
        (floods(b"", b"HTTP/1.1 103 Hints\r\n\r\n" * 100), ErrorClass.PROTOCOL),
        (floods(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"x" * 65536), 200),
        (says(b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 None\r\n\r\n"), 204),
        (says(b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok"), 200),
        (says(b""), ErrorClass.RESET),
    ],
    ids=["no HTTP", "no status", "other protocol", "long header", "endless headers", "endless interim answers",
         "endless chunk extension", "one interim answer", "bare line feeds", "closed at once"],
)  # fmt: skip
def test_an_answer_has_bounds(script: Script, saw: int | ErrorClass, run: Run) -> None:
    async def scenario() -> None:
        assert await asyncio.wait_for(_saw(script), PATIENCE_SECONDS) == saw

    run(scenario())


@either_loop
@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen", b"nonsense"])
def test_what_is_said_unasked_answers_no_later_request(more: bytes, run: Run) -> None:
    async def scenario() -> None:
        async def talkative(connection: Connection) -> None:
            while True:
                await connection.request()
                await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + more)

        async with receiver(talkative) as server, _origin(server.url) as origin:
            for number in range(1, 4):
                result = await _ask(origin)
                assert isinstance(result, Answer)
                assert (result.body, server.connections) == (b"ok", number)

    run(scenario())


@either_loop
def test_a_connection_that_the_server_gives_up_is_not_used_again(run: Run) -> None:
    async def scenario() -> None:
        async with (
            receiver(says(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")) as server,
            _origin(server.url) as origin,
        ):
            for _ in range(3):
                assert isinstance(await _ask(origin), Answer)
            assert (server.connections, len(server.requests)) == (3, 3)

    run(scenario())


@either_loop
def test_an_idle_connection_is_closed_after_its_time(run: Run) -> None:
    async def scenario() -> None:
        async with receiver(always_ok) as server, _origin(server.url, kept_seconds=0.05) as origin:
            await _ask(origin)
            await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)
            assert isinstance(await _ask(origin), Answer)

    run(scenario())


@either_loop
def test_an_answer_that_does_not_come_ends_at_the_deadline_and_is_not_asked_for_again(run: Run) -> None:
    async def scenario() -> None:
        async with receiver(silent) as server, _origin(server.url) as origin:
            result = await _ask(origin, 0.1)
            assert isinstance(result, NoAnswer)
            assert result.error is ErrorClass.TIMEOUT
            await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)
            assert len(server.requests) <= 1

    run(scenario())


@either_loop
def test_nobody_there_and_no_such_name_have_a_stage(run: Run) -> None:
    async def scenario() -> None:
        async with receiver(always_ok) as server:
            url = server.url
        for place, error in ((url, ErrorClass.CONNECT), ("http://nobody.invalid", ErrorClass.DNS)):
            async with _origin(place) as origin:
                result = await _ask(origin)
                assert isinstance(result, NoAnswer)
                assert result.error is error

    run(scenario())


@either_loop
@pytest.mark.parametrize(("trusted", "saw"), [(True, 200), (False, ErrorClass.TLS)])
def test_tls(tmp_path: Path, trusted: bool, saw: int | ErrorClass, run: Run) -> None:
    async def scenario() -> None:
        context, roots = server_tls(tmp_path, "127.0.0.1", Fault.NONE)
        async with (
            receiver(always_ok, context) as server,
            _origin(server.url, roots=roots if trusted else None) as origin,
        ):
            for _ in range(2):
                result = await _ask(origin)
                assert (result.status_code if isinstance(result, Answer) else result.error) == saw

    run(scenario())
