"""The wall: nothing that is not public is dialled, whatever name or spelling leads there.

The whole table of addresses is dialled in tests/hostile/test_dialling.py.
"""

import ssl

import pytest

from app.outbound.callback import CallbackClient
from app.outbound.egress import (
    AddressNotAllowed,
    GuardedResolver,
    NameNotResolved,
    SystemResolver,
    guarded_connector,
    refuse_unless_public,
)
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer, OutboundClient, exchange
from tests.outbound.receivers import PATIENCE_SECONDS, Receiver, always_ok, receiver
from tests.outbound.resolvers import DeadResolver, ScriptedResolver

PUBLIC = ["93.184.215.14", "2606:4700::1111"]


async def _post(url: str, resolver: ScriptedResolver | None = None, *, allow_private: bool = False) -> Exchange:
    async with CallbackClient(
        timeout_seconds=PATIENCE_SECONDS, max_connections=2, allow_private=allow_private, resolver=resolver
    ) as client:
        return await client.post(url, {}, b"{}")


def _error(result: Exchange) -> ErrorClass | None:
    return result.error if isinstance(result, NoAnswer) else None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"],
)
async def test_this_machine_is_not_dialled(host: str) -> None:
    async with receiver(always_ok) as server:
        assert _error(await _post(f"http://{host}:{server.port}/")) == ErrorClass.ADDRESS_NOT_ALLOWED
        assert server.connections == 0


@pytest.mark.parametrize(
    "host",
    ["127.1", "0", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "127。0。0。1", "①②⑦.⓪.⓪.①"],
)
async def test_no_spelling_of_this_machine_is_dialled(host: str) -> None:
    async with receiver(always_ok) as server:
        assert isinstance(await _post(f"http://{host}:{server.port}/"), NoAnswer)
        assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_private_addresses_can_be_allowed(host: str) -> None:
    async with receiver(always_ok) as server:
        assert isinstance(await _post(f"http://{host}:{server.port}/", allow_private=True), Answer)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], [*PUBLIC, "127.0.0.1"], [PUBLIC[1], "fd00::1"], ["fe80::1%1"], ["no address"]],
)
async def test_a_name_with_one_answer_that_is_not_public_is_refused(answers: list[str]) -> None:
    resolver = ScriptedResolver(answers)
    async with receiver(always_ok) as server:
        result = await _post(f"http://crm.example.com:{server.port}/", resolver)
        assert _error(result) == ErrorClass.ADDRESS_NOT_ALLOWED
        assert (server.connections, resolver.asked) == (0, ["crm.example.com"])


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["127.0.0.1", "127.0.0.1"], ["::1", "127.0.0.1"]])
async def test_the_socket_factory_alone_stops_what_a_resolver_lets_through(answers: list[str]) -> None:
    deceived = GuardedResolver(ScriptedResolver(answers), allow_private=True, lookup_seconds=PATIENCE_SECONDS)
    async with receiver(always_ok) as server:
        result = await _post_behind_sockets_only(deceived, server)
        assert _error(result) == ErrorClass.ADDRESS_NOT_ALLOWED
        assert server.connections == 0


async def _post_behind_sockets_only(resolver: GuardedResolver, server: Receiver) -> Exchange:
    connector = guarded_connector(resolver, allow_private=False, max_connections=1, tls=ssl.create_default_context())
    async with OutboundClient(connector) as client:
        request = client.build_request("POST", f"http://crm.example.com:{server.port}/", content=b"{}")
        return await exchange(client, request, deadline_seconds=PATIENCE_SECONDS, max_body_bytes=10)


async def test_a_refusal_says_nothing_of_the_address() -> None:
    with pytest.raises(AddressNotAllowed) as refusal:
        refuse_unless_public("10.11.12.13")
    assert "10." not in str(refusal.value)


async def test_a_name_without_addresses() -> None:
    assert _error(await _post("http://crm.example.com/", ScriptedResolver([]))) == ErrorClass.DNS


@pytest.mark.parametrize("name", [f"{'a' * 64}.example.com", "a..example.com"])
async def test_a_name_that_no_resolver_takes(name: str) -> None:
    resolver = SystemResolver()
    try:
        with pytest.raises(NameNotResolved):
            await resolver.resolve(name, 443)
    finally:
        await resolver.close()


async def test_a_lookup_has_a_time_of_its_own() -> None:
    dead = DeadResolver()
    guarded = GuardedResolver(dead, allow_private=False, lookup_seconds=0.05)
    with pytest.raises(NameNotResolved):
        await guarded.resolve("crm.example.com", 443)
    connector = guarded_connector(guarded, allow_private=False, max_connections=1, tls=ssl.create_default_context())
    async with OutboundClient(connector) as client:
        request = client.build_request("POST", "http://crm.example.com/", content=b"{}")
        result = await exchange(client, request, deadline_seconds=PATIENCE_SECONDS, max_body_bytes=10)
    assert _error(result) == ErrorClass.DNS
    assert len(dead.asked) == 2
