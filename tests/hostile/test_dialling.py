"""The last door: whatever is kept as a callback URL, and whatever a lookup says, nothing inside is connected to.

The client is the real one. Where an address is this machine, a trap listens there; for the others the proof is the
error, since an address that had been dialled would have ended as `connect`, `timeout` or an answer.
"""

import ssl

import pytest

from app.outbound.egress import GuardedResolver, guarded_connector
from app.outbound.http import ErrorClass, OutboundClient, exchange
from tests.hostile.addresses import ADDRESSES
from tests.hostile.hosts import HOSTS
from tests.hostile.names import NAMES
from tests.hostile.spellings import SPELLINGS
from tests.hostile.traps import HARMLESS, LyingResolver, error_of, guarded_client, in_url, leads_out, trap
from tests.outbound.receivers import PATIENCE_SECONDS
from tests.outbound.resolvers import ScriptedResolver

PUBLIC = ("93.184.215.14", "2606:4700::1111")
NAME = "crm.example.com"
EVERY_ADDRESS = [address for family in ADDRESSES for address in family.addresses]
# What is hostile about the others is their spelling alone.
KEPT_URLS = [url for family in SPELLINGS + HOSTS for url in family.urls if not leads_out(url)]


async def test_no_address_is_dialled_as_a_literal() -> None:
    async with trap() as opened, guarded_client() as client:
        for address in EVERY_ADDRESS:
            result = await client.post(f"http://{in_url(address)}:{opened.port}/", {}, b"{}")
            assert error_of(result) in HARMLESS, address
        assert opened.connections == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [((), ()), (PUBLIC, ()), ((), PUBLIC), (PUBLIC[:1], PUBLIC[1:]), (PUBLIC[1:], PUBLIC[:1])],
    ids=["alone", "last", "first", "between", "between again"],
)
async def test_no_name_leads_to_an_address(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    lies = {f"n{number}": (*before, address, *after) for number, address in enumerate(EVERY_ADDRESS)}
    resolver = LyingResolver(PUBLIC, **{label: [lie] for label, lie in lies.items()})
    async with trap() as opened, guarded_client(resolver) as client:
        for label, lie in lies.items():
            result = await client.post(f"http://{label}.example.com:{opened.port}/", {}, b"{}")
            assert error_of(result) == ErrorClass.ADDRESS_NOT_ALLOWED, lie
        assert opened.connections == 0


async def test_a_name_that_was_public_when_it_was_registered_is_refused_when_it_is_dialled() -> None:
    async with trap() as opened:
        for address in EVERY_ADDRESS:
            lying = ScriptedResolver([PUBLIC[0]], [address])
            resolver = GuardedResolver(lying, allow_private=False, lookup_seconds=PATIENCE_SECONDS)
            assert [answer["host"] for answer in await resolver.resolve(NAME)] == [PUBLIC[0]]
            assert await _error_behind(resolver, opened.port) == ErrorClass.ADDRESS_NOT_ALLOWED, address
            assert lying.asked == [NAME, NAME]
        assert opened.connections == 0


async def test_the_socket_is_a_wall_of_its_own() -> None:
    async with trap() as opened:
        for address in EVERY_ADDRESS:
            deceived = GuardedResolver(ScriptedResolver([address]), allow_private=True, lookup_seconds=PATIENCE_SECONDS)
            assert await _error_behind(deceived, opened.port) == ErrorClass.ADDRESS_NOT_ALLOWED, address
        assert opened.connections == 0


async def _error_behind(resolver: GuardedResolver, port: int) -> ErrorClass | None:
    """Dial a name behind this resolver and the guarded sockets."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    connector = guarded_connector(resolver, allow_private=False, max_connections=1, tls=tls)
    async with OutboundClient(connector) as client:
        request = client.build_request("POST", f"http://{NAME}:{port}/", content=b"{}")
        return error_of(await exchange(client, request, deadline_seconds=PATIENCE_SECONDS, max_body_bytes=10))


@pytest.mark.parametrize("answer", ["127.0.0.1", "::1", "169.254.169.254"])
async def test_a_hostile_url_that_was_kept_all_the_same_leads_nowhere(answer: str) -> None:
    """As if it had been registered under laxer rules, and every name led inside."""
    async with guarded_client(LyingResolver([answer])) as client:
        for url in KEPT_URLS:
            assert error_of(await client.post(url, {}, b"{}")) in HARMLESS, url


async def test_a_name_like_any_other_leads_nowhere() -> None:
    async with trap() as opened:
        for family in NAMES:
            async with guarded_client(LyingResolver(family.answers)) as client:
                for host in family.hosts:
                    result = await client.post(f"https://{host}:{opened.port}/", {}, b"{}")
                    assert error_of(result) == ErrorClass.ADDRESS_NOT_ALLOWED, host
        assert opened.connections == 0


async def test_behind_a_proxy_nothing_of_it_is_asked_for() -> None:
    """The trap is the proxy."""
    async with trap() as opened:
        proxy_url = f"http://127.0.0.1:{opened.port}"
        async with guarded_client(LyingResolver(["127.0.0.1"]), proxy_url=proxy_url) as client:
            for url in [f"https://{in_url(address)}/" for address in EVERY_ADDRESS] + KEPT_URLS:
                assert error_of(await client.post(url, {}, b"{}")) in HARMLESS, url
        for family in NAMES:
            async with guarded_client(LyingResolver(family.answers), proxy_url=proxy_url) as client:
                for host in family.hosts:
                    result = await client.post(f"https://{host}/", {}, b"{}")
                    assert error_of(result) == ErrorClass.ADDRESS_NOT_ALLOWED, host
        assert opened.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", NAME])  # noqa: S104 -- dialled
async def test_the_trap_would_have_caught_it(host: str) -> None:
    """What the tests above count is there to be counted, once the guard is down."""
    async with trap() as opened, guarded_client(LyingResolver(["127.0.0.1"]), allow_private=True) as client:
        if host == "[::1]" and not opened.ipv6:
            pytest.skip("this machine has no IPv6")
        result = await client.post(f"http://{host}:{opened.port}/", {}, b"{}")
        assert error_of(result) == ErrorClass.RESET
        assert opened.connections >= 1
