"""Callbacks through the operator's proxy: what it is asked, what it is not, and what its troubles are called."""

import asyncio
import socket
from pathlib import Path

import pytest
from yarl import URL

from app.outbound.callback import CallbackClient
from app.outbound.egress import AddressNotAllowed, GuardedResolver
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer
from app.outbound.proxy import ProxyGate
from tests.outbound.certificates import server_tls
from tests.outbound.proxies import basic, tunnel_to
from tests.outbound.receivers import PATIENCE_SECONDS, Script, always_ok, receiver, says, silent
from tests.outbound.resolvers import DeadResolver, ScriptedResolver

# Public, and never dialled here: the scripted proxies lead to this machine.
ADDRESS = "93.184.215.14"
BODY = b"{}"


def _client(
    proxy_url: str,
    *,
    resolver: ScriptedResolver | None = None,
    roots: Path | None = None,
    timeout_seconds: float = PATIENCE_SECONDS,
    allow_private: bool = False,
) -> CallbackClient:
    return CallbackClient(
        timeout_seconds=timeout_seconds,
        max_connections=4,
        allow_private=allow_private,
        extra_trust_roots=roots,
        resolver=resolver or ScriptedResolver([ADDRESS]),
        proxy_url=proxy_url,
    )


def _error(result: Exchange) -> ErrorClass | None:
    return result.error if isinstance(result, NoAnswer) else None


async def test_https_goes_through_a_tunnel_that_is_kept(tmp_path: Path) -> None:
    tls, roots = server_tls(tmp_path, ADDRESS)
    async with (
        receiver(always_ok, tls) as server,
        receiver(tunnel_to(server)) as proxy,
        _client(f"http://us%40er:p%2Fw@127.0.0.1:{proxy.port}", roots=roots) as client,
    ):
        for _ in range(2):
            result = await client.post(f"https://{ADDRESS}/hooks?a=%2F", {"webhook-id": "evt_1"}, BODY)
            assert isinstance(result, Answer)
            assert (result.status_code, result.body) == (200, b"ok")
    assert proxy.connections == 1
    assert proxy.requests[0].startswith(b"CONNECT %b:443 HTTP/1.1\r\n" % ADDRESS.encode())
    assert basic("us@er", "p/w") in proxy.requests[0].lower()
    assert b"evt_1" not in proxy.requests[0]
    head = server.requests[0].lower()
    assert head.startswith(b"post /hooks?a=%2f http/1.1\r\n")
    assert b"proxy-" not in head


async def test_a_proxy_behind_tls(tmp_path: Path) -> None:
    tls, roots = server_tls(tmp_path, "127.0.0.1")
    async with (
        receiver(always_ok, tls) as server,
        receiver(tunnel_to(server), tls) as proxy,
        _client(f"https://127.0.0.1:{proxy.port}", roots=roots, allow_private=True) as client,
        _client(f"https://127.0.0.1:{proxy.port}", allow_private=True) as wary,
    ):
        assert isinstance(await client.post(f"{server.url}/", {}, BODY), Answer)
        assert _error(await wary.post(f"{server.url}/", {}, BODY)) == ErrorClass.PROXY
    assert len(proxy.requests) == len(server.requests) == 1


async def test_tls_is_verified_with_the_receiver(tmp_path: Path) -> None:
    tls, roots = server_tls(tmp_path, "93.184.215.15")
    async with (
        receiver(always_ok, tls) as server,
        receiver(tunnel_to(server)) as proxy,
        _client(f"http://127.0.0.1:{proxy.port}", roots=roots) as client,
    ):
        assert _error(await client.post(f"https://{ADDRESS}/", {}, BODY)) == ErrorClass.TLS
    assert server.requests == []


async def test_http_is_handed_over_whole() -> None:
    async with receiver(always_ok) as proxy, _client(f"http://user:word@127.0.0.1:{proxy.port}/") as client:
        result = await client.post("http://crm.example.com:8080/hooks?a=%2F", {}, BODY)
    assert isinstance(result, Answer)
    head = proxy.requests[0]
    assert head.startswith(b"POST http://crm.example.com:8080/hooks?a=%2F HTTP/1.1\r\n")
    assert head.endswith(BODY)
    assert b"\r\nhost: crm.example.com:8080\r\n" in head.lower()
    assert basic("user", "word") in head.lower()


async def test_the_proxy_is_given_the_name_once_its_answers_are_public() -> None:
    resolver = ScriptedResolver([ADDRESS], ["10.0.0.1"])
    refusing = says(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
    async with receiver(refusing) as proxy, _client(f"http://127.0.0.1:{proxy.port}", resolver=resolver) as client:
        assert _error(await client.post("https://crm.example.com/", {}, BODY)) == ErrorClass.PROXY
        assert _error(await client.post("https://crm.example.com/", {}, BODY)) == ErrorClass.ADDRESS_NOT_ALLOWED
    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"CONNECT crm.example.com:443 HTTP/1.1"]
    assert resolver.asked == ["crm.example.com"] * 2


@pytest.mark.parametrize("answers", [[], ["10.0.0.1"], [ADDRESS, "::1"]])
async def test_what_is_refused_is_not_asked_for(answers: list[str]) -> None:
    async with (
        receiver(always_ok) as proxy,
        _client(f"http://127.0.0.1:{proxy.port}", resolver=ScriptedResolver(answers)) as client,
    ):
        expected = ErrorClass.ADDRESS_NOT_ALLOWED if answers else ErrorClass.DNS
        assert _error(await client.post("https://crm.example.com/", {}, BODY)) == expected
        assert _error(await client.post(f"http://127.0.0.1:{proxy.port}/", {}, BODY)) == ErrorClass.ADDRESS_NOT_ALLOWED
    assert proxy.connections == 0


async def test_a_lookup_is_part_of_the_attempts_time() -> None:
    async with (
        receiver(always_ok) as proxy,
        _client(f"http://127.0.0.1:{proxy.port}", resolver=DeadResolver([]), timeout_seconds=0.1) as client,
    ):
        assert _error(await client.post("https://crm.example.com/", {}, BODY)) == ErrorClass.TIMEOUT


async def test_with_private_addresses_allowed_no_name_is_looked_up() -> None:
    resolver = ScriptedResolver([])
    async with (
        receiver(always_ok) as proxy,
        _client(f"http://127.0.0.1:{proxy.port}", resolver=resolver, allow_private=True) as client,
    ):
        assert isinstance(await client.post("http://crm.example.com/", {}, BODY), Answer)
    assert resolver.asked == []


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway", b"302 Found"])
async def test_a_proxy_that_makes_no_tunnel(status: bytes) -> None:
    script = says(b"HTTP/1.1 " + status + b"\r\nlocation: http://127.0.0.1/\r\ncontent-length: 3\r\n\r\nno!")
    async with receiver(script) as proxy, _client(f"http://127.0.0.1:{proxy.port}") as client:
        assert _error(await client.post(f"https://{ADDRESS}/", {}, BODY)) == ErrorClass.PROXY


async def test_a_proxy_that_hangs() -> None:
    async with receiver(silent) as proxy, _client(f"http://127.0.0.1:{proxy.port}", timeout_seconds=0.2) as client:
        assert _error(await client.post(f"https://{ADDRESS}/", {}, BODY)) == ErrorClass.TIMEOUT
        await asyncio.wait_for(proxy.gone.wait(), PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("script", "error"), [(says(b""), ErrorClass.RESET), (says(b"SSH-2.0-x\r\n\r\n"), ErrorClass.PROTOCOL)]
)
async def test_a_proxy_that_ends_or_is_none(script: Script, error: ErrorClass) -> None:
    async with receiver(script) as proxy, _client(f"http://127.0.0.1:{proxy.port}") as client:
        assert _error(await client.post(f"https://{ADDRESS}/", {}, BODY)) == error


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there(scheme: str) -> None:
    async with receiver(always_ok) as gone:
        pass
    async with _client(f"http://127.0.0.1:{gone.port}") as client:
        assert _error(await client.post(f"{scheme}://{ADDRESS}/", {}, BODY)) == ErrorClass.PROXY


async def test_a_proxy_whose_name_is_not_known() -> None:
    async with _client("http://proxy.example.com:3128", resolver=ScriptedResolver([])) as client:
        assert _error(await client.post(f"https://{ADDRESS}/", {}, BODY)) == ErrorClass.PROXY


async def test_a_proxy_with_a_private_address_is_dialled_by_its_name() -> None:
    """The destination's lookup comes first, the proxy's afterwards."""
    resolver = ScriptedResolver([ADDRESS], ["127.0.0.1"])
    async with (
        receiver(always_ok) as proxy,
        _client(f"http://proxy.internal:{proxy.port}", resolver=resolver) as client,
    ):
        assert isinstance(await client.post("http://crm.example.com/", {}, BODY), Answer)
    assert resolver.asked == ["crm.example.com", "proxy.internal"]


async def test_the_gate_lets_nothing_but_the_proxy_through() -> None:
    names = ScriptedResolver(["10.0.0.7", "10.0.0.8"])
    gate = ProxyGate(
        URL("http://proxy.internal:3128"), GuardedResolver(names, allow_private=True, lookup_seconds=PATIENCE_SECONDS)
    )
    with pytest.raises(AddressNotAllowed):
        await gate.resolve("crm.example.com", 3128)
    assert names.asked == []
    with pytest.raises(AddressNotAllowed):
        gate.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.7", 3128)))
    await gate.resolve("proxy.internal", 3128)
    gate.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.8", 3128))).close()
    for address in (("10.0.0.8", 6379), ("10.0.0.9", 3128), ("127.0.0.1", 3128), (ADDRESS, 3128)):
        with pytest.raises(AddressNotAllowed):
            gate.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", address))
    await gate.close()
