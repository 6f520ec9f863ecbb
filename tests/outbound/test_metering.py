"""What happens between two requests on one connection, and what may precede an answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from app.outbound.callback import CallbackClient
from app.outbound.http import Answer, ErrorClass, Exchange
from tests.outbound.receivers import PATIENCE_SECONDS, Connection, Script, receiver, silent

_RUNNERS: dict[str, Callable[[Awaitable[None]], None]] = {"asyncio": asyncio.run, "uvloop": uvloop.run}  # type: ignore[dict-item]
# A worker runs on uvloop, whose transports are not asyncio's.
either_loop = pytest.mark.parametrize("run", _RUNNERS.values(), ids=_RUNNERS)
Run = Callable[[Awaitable[None]], None]
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen"


def _client(max_connections: int = 1) -> CallbackClient:
    return CallbackClient(timeout_seconds=PATIENCE_SECONDS, max_connections=max_connections, allow_private=True)


def _seen(result: Exchange) -> int | ErrorClass:
    return result.status_code if isinstance(result, Answer) else result.error


def _served_once_then(ending: Callable[[Connection], Awaitable[None]]) -> Script:
    """Answer a connection's first request, and do something else about its second."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.answer()
        await connection.request()
        await ending(connection)

    return script


async def _closes(_: Connection) -> None:
    """The connection is closed when its script is over."""


async def _resets(connection: Connection) -> None:
    connection.reset()


async def _says_a_byte_and_closes(connection: Connection) -> None:
    await connection.send(b"H")


@either_loop
@pytest.mark.parametrize("ending", [_closes, _resets])
def test_a_request_that_meets_a_connection_just_closed_is_sent_once_more(
    ending: Callable[[Connection], Awaitable[None]], run: Run
) -> None:
    async def scenario() -> None:
        async with receiver(_served_once_then(ending)) as server, _client() as client:
            for _ in range(3):
                result = await client.post(server.url, {"webhook-id": "evt_1"}, b"{}")
                assert _seen(result) == 200
            # The second and the third request each went out twice, the same both times.
            assert (server.connections, len(server.requests)) == (3, 5)
            assert len(set(server.requests)) == 1

    run(scenario())


@either_loop
def test_a_request_is_not_sent_a_third_time(run: Run) -> None:
    async def only_the_first_connection_serves(connection: Connection) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.answer()
            await connection.request()

    async def scenario() -> None:
        async with receiver(only_the_first_connection_serves) as server, _client() as client:
            assert _seen(await client.post(server.url, {}, b"{}")) == 200
            assert _seen(await client.post(server.url, {}, b"{}")) == ErrorClass.RESET
            assert len(server.requests) == 3

    run(scenario())


@either_loop
def test_a_new_connection_that_closes_is_no_excuse(run: Run) -> None:
    async def scenario() -> None:
        async with receiver(Connection.request) as server, _client() as client:  # type: ignore[arg-type]
            assert _seen(await client.post(server.url, {}, b"{}")) == ErrorClass.RESET
            assert len(server.requests) == 1

    run(scenario())


@either_loop
def test_a_connection_that_had_begun_to_answer_is_no_excuse(run: Run) -> None:
    async def scenario() -> None:
        async with receiver(_served_once_then(_says_a_byte_and_closes)) as server, _client() as client:
            assert _seen(await client.post(server.url, {}, b"{}")) == 200
            assert _seen(await client.post(server.url, {}, b"{}")) == ErrorClass.RESET
            assert len(server.requests) == 2

    run(scenario())


@either_loop
def test_the_repetition_is_within_the_same_deadline(run: Run) -> None:
    async def closes_then_hangs(connection: Connection) -> None:
        if connection.number > 1:
            return await silent(connection)
        await connection.request()
        await connection.answer()
        await connection.request()
        return None

    async def scenario() -> None:
        impatient = CallbackClient(timeout_seconds=0.3, max_connections=1, allow_private=True)
        async with receiver(closes_then_hangs) as server, impatient as client:
            assert _seen(await client.post(server.url, {}, b"{}")) == 200
            assert _seen(await client.post(server.url, {}, b"{}")) == ErrorClass.TIMEOUT

    run(scenario())


@either_loop
@pytest.mark.parametrize(
    ("rest", "together"),
    [
        pytest.param(_ANSWER, True, id="an answer at once"),
        pytest.param(_ANSWER[:-3], True, id="most of an answer at once"),
        pytest.param(b"rubbish", True, id="rubbish at once"),
        pytest.param(_ANSWER, False, id="an answer later"),
        pytest.param(_ANSWER[:-3], False, id="most of an answer later"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: ", False, id="half a head later"),
        pytest.param(b"HTTP/1.1 103 Hints\r\n\r\n", False, id="an interim answer later"),
        pytest.param(b"\r\n", False, id="an empty line later"),
        pytest.param(b"rubbish", False, id="rubbish later"),
    ],
)
def test_what_is_left_over_answers_no_other_request(rest: bytes, run: Run, *, together: bool) -> None:
    said = asyncio.Event()

    async def talkative(connection: Connection) -> None:
        await connection.request()
        if connection.number > 1:
            await connection.answer(head=b"HTTP/1.1 500 No")
        elif together:
            await connection.send(b"HTTP/1.1 204 None\r\n\r\n" + rest)
        else:
            await connection.answer(head=b"HTTP/1.1 204 None", body=b"")
            await said.wait()
            await connection.send(rest)
        await connection.until_gone()

    async def scenario() -> None:
        async with receiver(talkative) as server, _client() as client:
            assert _seen(await client.post(server.url, {}, b"{}")) == 204
            said.set()
            # The client drops the connection as soon as it hears more.
            await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)
            assert _seen(await client.post(server.url, {}, b"{}")) == 500
            assert (server.connections, len(server.requests)) == (2, 2)

    run(scenario())


@either_loop
def test_a_head_may_come_in_any_number_of_pieces(run: Run) -> None:
    answer = b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 202 Yes\r\ncontent-length: 4\r\n\r\nbody"

    def cut_at(place: int) -> Script:
        async def script(connection: Connection) -> None:
            await connection.request()
            for piece in (answer[:place], answer[place:] + b"rubbish"):
                await connection.send(piece)
                await asyncio.sleep(0.005)
            await connection.until_gone()

        return script

    async def one(client: CallbackClient, place: int) -> None:
        async with receiver(cut_at(place)) as server:
            result = await client.post(server.url, {}, b"{}")
            assert isinstance(result, Answer)
            assert (result.status_code, result.body) == (202, b"body")

    async def scenario() -> None:
        async with _client(len(answer)) as client:
            await asyncio.gather(*(one(client, place) for place in range(1, len(answer))))

    run(scenario())
