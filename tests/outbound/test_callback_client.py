"""The callback client: what a receiver gets, what is kept of its answer, and TLS."""

import asyncio
import gc
from importlib.metadata import version
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver

from app.outbound.callback import CallbackClient
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer
from app.outbound.origin import Origin
from tests.outbound.certificates import server_tls
from tests.outbound.receivers import PATIENCE_SECONDS, Connection, always_ok, receiver
from tests.outbound.resolvers import ScriptedResolver

BODY = '{"type": "call.completed", "name": "Zoë"}'.encode()


def _client(
    *,
    timeout_seconds: float = PATIENCE_SECONDS,
    max_connections: int = 4,
    extra_trust_roots: Path | None = None,
    resolver: AbstractResolver | None = None,
) -> CallbackClient:
    return CallbackClient(
        timeout_seconds=timeout_seconds,
        max_connections=max_connections,
        allow_private=True,
        extra_trust_roots=extra_trust_roots,
        resolver=resolver,
    )


def _error(result: Exchange) -> ErrorClass | None:
    return result.error if isinstance(result, NoAnswer) else None


async def test_a_receiver_gets_the_body_and_the_headers() -> None:
    async with receiver(always_ok) as server, _client() as client:
        result = await client.post(
            f"{server.url}/hooks?a=%2F",
            {"webhook-id": "evt_1", "X-Key": "k: v"},
            BODY,
        )
    assert isinstance(result, Answer)
    assert (result.status_code, result.body) == (200, b"ok")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert body == BODY
    assert lines[0] == "POST /hooks?a=%2F HTTP/1.1"
    headers = sorted(line.lower() for line in lines[1:])
    assert headers == sorted(
        [
            f"host: 127.0.0.1:{server.port}",
            "webhook-id: evt_1",
            "x-key: k: v",
            f"user-agent: ringback/{version('ringback')}",
            "content-type: application/json",
            "accept-encoding: identity",
            "accept: */*",
            f"content-length: {len(BODY)}",
        ],
    )


async def test_the_clients_own_headers_win() -> None:
    async with receiver(always_ok) as server, _client() as client:
        await client.post(server.url, {"Content-Type": "text/plain", "USER-AGENT": "other"}, BODY)
    head = server.requests[0].lower()
    assert head.count(b"content-type:") == head.count(b"user-agent:") == 1
    assert b"content-type: application/json" in head
    assert b"user-agent: ringback/" in head


async def test_connections_are_kept_and_shared() -> None:
    async with receiver(always_ok) as server, _client(max_connections=2) as client:
        results = await asyncio.gather(*(client.post(server.url, {}, BODY) for _ in range(20)))
        assert [result.status_code for result in results if isinstance(result, Answer)] == [200] * 20
        assert server.connections <= 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "ftp://127.0.0.1/", "/hooks", "http://", ""])
async def test_a_url_that_is_none_is_a_failed_attempt(url: str) -> None:
    async with _client() as client:
        assert _error(await client.post(url, {}, BODY)) == ErrorClass.PROTOCOL


@pytest.mark.parametrize("headers", [{"x": "é"}, {"x": "a\r\nb: c"}, {"x\r\ny": "z"}])
async def test_a_header_that_cannot_be_written_is_a_failed_attempt(headers: dict[str, str]) -> None:
    async with receiver(always_ok) as server, _client() as client:
        assert _error(await client.post(server.url, headers, BODY)) == ErrorClass.PROTOCOL
    assert server.requests == []


async def test_a_receiver_whose_certificate_is_not_trusted_gets_no_request(tmp_path: Path) -> None:
    context, _ = server_tls(tmp_path, "127.0.0.1")
    async with receiver(always_ok, context) as server, _client() as client:
        assert _error(await client.post(server.url, {}, BODY)) == ErrorClass.TLS
    assert server.requests == []


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n" + b"z" * 5000], ids=["silent", "endless"]
)
async def test_a_receiver_behind_tls_that_hangs_keeps_no_socket(tmp_path: Path, sent: bytes) -> None:
    async def deaf(connection: Connection) -> None:
        await connection.request()
        await connection.send(sent)
        await connection.stop_reading()

    context, roots = server_tls(tmp_path, "127.0.0.1")
    async with receiver(deaf, context) as server, _client(timeout_seconds=0.5, extra_trust_roots=roots) as client:
        before = _open_files()
        await client.post(server.url, {}, BODY)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The receiver's own end of the connection stays open.
            while _open_files() > before + 1:  # noqa: ASYNC110 -- nobody signals a closed file
                await asyncio.sleep(0.05)


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("path", ["/x?", "/?", "/x?a=b", "/x", "/a%2Fb//c?d=%20"])
async def test_a_path_is_sent_byte_for_byte(path: str) -> None:
    async with receiver(always_ok) as server, _client() as client:
        await client.post(server.url + path, {}, BODY)
    assert server.requests[0].split(b" ")[1] == path.encode()


async def test_what_was_sent_to_many_hosts_leaves_nothing_behind() -> None:
    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 204 None\r\nconnection: close\r\n\r\n")

    async with receiver(once) as server, _client(resolver=ScriptedResolver(["127.0.0.1"])) as client:
        await client.post(f"http://first.example:{server.port}", {}, BODY)
        gc.collect()
        before = _origins()
        for number in range(2100):
            result = await client.post(f"http://host-{number}.example:{server.port}", {}, BODY)
            assert isinstance(result, Answer)
        gc.collect()
        assert server.connections == 2101
        assert _origins() - before <= 1001


def _origins() -> int:
    return sum(isinstance(one, Origin) for one in gc.get_objects())
