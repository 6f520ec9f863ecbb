"""Whatever a server does, `exchange` ends in time, with a type and within its bounds.

What fails before the body is told by the table of receivers (test_behaviours.py); here, answers need their bodies.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer
from tests.outbound.clients import Asking, OverHttp1, OverHttpx, opened
from tests.outbound.receivers import PATIENCE_SECONDS, Connection, always_ok, floods, receiver, says, says_and_resets

CAP = 1024


@pytest.fixture(params=[OverHttpx, OverHttp1])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Asking]:
    async with opened(request.param) as client:
        yield client


async def _get(client: Asking, url: str, *, deadline: float = PATIENCE_SECONDS, cap: int = CAP) -> Exchange:
    return await client.get(url, deadline_seconds=deadline, max_body_bytes=cap)


async def _get_from(client: Asking, script_output: bytes) -> Exchange:
    async with receiver(says(script_output)) as server:
        return await _get(client, server.url)


def _error(result: Exchange) -> ErrorClass | None:
    return result.error if isinstance(result, NoAnswer) else None


def _answer(result: Exchange) -> Answer:
    assert isinstance(result, Answer), result
    return result


async def test_an_answer_is_told_whole(client: Asking) -> None:
    answer = _answer(await _get_from(client, b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\ncontent-length: 5\r\n\r\nlater"))
    assert (answer.status_code, answer.body, answer.truncated) == (503, b"later", False)
    assert answer.headers["retry-after"] == "7"
    assert answer.duration_seconds > 0


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", id="empty"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end", id="until the connection's end"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok", id="chunked"
        ),
    ],
)  # fmt: skip
async def test_unusual_answers_are_answers(client: Asking, data: bytes, status: int, body: bytes) -> None:
    answer = _answer(await _get_from(client, data))
    assert (answer.status_code, answer.body, answer.truncated) == (status, body, False)


@pytest.mark.parametrize("location", ["{target}/next", "/next", "http://x:99999/", "\xff\xff"])
async def test_a_redirect_is_an_answer_and_is_not_followed(client: Asking, location: str) -> None:
    async with receiver(always_ok) as target:
        place = location.format(target=target.url).encode("latin-1")
        answer = _answer(
            await _get_from(client, b"HTTP/1.1 302 Found\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % place)
        )
        assert answer.status_code == 302
        assert target.connections == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", ErrorClass.RESET, id="ends in the body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", ErrorClass.RESET, id="ends in a chunk"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", ErrorClass.PROTOCOL,
            id="chunk of no size",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_answer_has_a_stage(client: Asking, data: bytes, error: ErrorClass) -> None:
    assert _error(await _get_from(client, data)) == error


async def test_a_connection_that_is_reset_in_the_body(client: Asking) -> None:
    async with receiver(says_and_resets(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")) as server:
        assert _error(await _get(client, server.url)) == ErrorClass.RESET


async def test_a_body_that_comes_a_byte_at_a_time_ends_at_the_deadline(client: Asking) -> None:
    async with receiver(floods(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"y", 0.01)) as server:
        assert _error(await _get(client, server.url, deadline=0.3)) == ErrorClass.TIMEOUT
        await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)


async def test_waiting_for_a_free_connection_counts() -> None:
    asked = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await connection.until_gone()

    client = OverHttpx(max_connections=1)
    async with receiver(script) as server:
        first = asyncio.create_task(_get(client, server.url))
        await asyncio.wait_for(asked.wait(), PATIENCE_SECONDS)
        assert [_error(await _get(client, server.url, deadline=0.1)) for _ in range(2)] == [ErrorClass.TIMEOUT] * 2
        assert server.connections == 1
        first.cancel()
        await asyncio.wait([first])
    await client.aclose()


async def test_an_endless_body_is_cut_and_its_connection_dropped(client: Asking) -> None:
    async with receiver(floods(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 4096)) as server:
        answer = _answer(await _get(client, server.url))
        assert (answer.body, answer.truncated) == (b"z" * CAP, True)
        await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_body_in_chunks_of_any_size_is_told_whole(client: Asking, size: int) -> None:
    body = b"z" * 100_000
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    script = says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    async with receiver(script) as server:
        answer = _answer(await _get(client, server.url, cap=len(body)))
    assert (answer.body, answer.truncated) == (body, False)


async def test_a_body_as_long_as_the_cap_is_whole_and_its_connection_kept(client: Asking) -> None:
    async def full(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(b"z" * CAP)

    async with receiver(full) as server:
        for _ in range(3):
            answer = _answer(await _get(client, server.url))
            assert (answer.body, answer.truncated) == (b"z" * CAP, False)
        assert server.connections == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "nonsense, gzip"])
async def test_a_compressed_body_is_never_unpacked(client: Asking, encoding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(bomb)}\r\n\r\n".encode()
    async with receiver(says(head + bomb)) as server:
        cut = _answer(await _get(client, server.url))
        whole = _answer(await _get(client, server.url, cap=len(bomb)))
    assert (cut.body, cut.truncated) == (bomb[:CAP], True)
    assert (whole.body, whole.truncated) == (bomb, False)


async def test_nothing_is_asked_for_compressed_and_no_cookie_comes_back(client: Asking) -> None:
    async def baker(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.answer(head=b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/")

    async with receiver(baker) as server:
        for _ in range(2):
            _answer(await _get(client, server.url))
    assert all(b"accept-encoding: identity\r\n" in request.lower() for request in server.requests)
    assert not any(b"cookie" in request.lower() for request in server.requests)
    assert len(server.requests) == 2


async def test_the_environments_proxy_is_not_asked(client: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(always_ok) as proxy, receiver(always_ok) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        _answer(await _get(client, server.url))
        assert (proxy.connections, server.connections) == (0, 1)


@pytest.mark.parametrize(
    "target",
    ["/a%2Fb//c;d=e,f", "/x?u=https%3A%2F%2Fy%2F&z=%7e%20+%2B", "/%41%c3%a9?a[b]=c|{d}", "/'?x='&y=&=z&", "/?a=b?c"],
)
async def test_a_url_is_sent_byte_for_byte(client: Asking, target: str) -> None:
    async with receiver(always_ok) as server:
        _answer(await _get(client, server.url + target))
    assert server.requests[0].split(b" ")[1] == target.encode()


async def test_a_get_meets_a_connection_that_just_closed_and_is_sent_again(client: Asking) -> None:
    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.answer()
        await connection.request()

    async with receiver(once) as server:
        for _ in range(2):
            _answer(await _get(client, server.url))
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_cancellation_passes_through_and_ends_the_connection(client: Asking) -> None:
    asked = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await connection.until_gone()

    async with receiver(script) as server:
        task = asyncio.create_task(_get(client, server.url))
        await asyncio.wait_for(asked.wait(), PATIENCE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), PATIENCE_SECONDS)


async def test_a_closed_client_is_the_callers_mistake(client: Asking) -> None:
    async with receiver(always_ok) as server:
        await _get(client, server.url)
        await client.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await _get(client, server.url)


async def test_the_client_of_deliveries_is_an_httpx_client() -> None:
    client = OverHttpx()
    async with receiver(always_ok) as server:
        response = await client.client.get(server.url)
    assert (response.status_code, response.text) == (200, "ok")
    await client.aclose()
