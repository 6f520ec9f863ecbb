"""Everything that is sealed goes under the first key, beside whoever changes it meanwhile."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from app.domain.call import LINE_LENGTH
from app.domain.errors import UndecryptableSecret
from app.domain.signing import secret_from_bytes
from app.resources import Resources, open_resources
from app.service.reencryption import Reencrypted
from app.settings import Settings
from app.store.subscriptions import SubscriptionChange
from tests.builders import ACCOUNT, CONNECTOR, PROJECT, make_key
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.store.keys import lifetimes
from tests.store.making import read, register
from tests.store.polling import EVERYTHING, claim_polls

NEW_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
OWN_SECRET = secret_from_bytes(b"the-subscriptions-own-secret-32b")
HEADERS = {"authorization": "Bearer of-the-receiver"}
# The first three calls of `fill` live in so many partitions, and each keeps the line that they share.
LINES = 2


@pytest.fixture
def both_keys(make_settings: MakeSettings) -> Settings:
    return make_settings(encryption_keys=f"{NEW_KEY},{ENCRYPTION_KEY}")


@pytest.fixture
async def rotated(resources: Resources, both_keys: Settings) -> AsyncIterator[Resources]:
    """The same installation after a new key was put first; what is there by then is under the old one."""
    await fill(resources, 0, 3)
    async with open_resources(both_keys) as opened:
        yield opened


async def fill(resources: Resources, first: int, count: int) -> None:
    """Make so many tenants, and for each a call with two subscriptions, one of them with secrets of its own."""
    for number in range(first, first + count):
        tenant_id = (await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant.id
        await resources.signing_secrets.rotate(tenant_id, 60)
        for url, secret, headers in (("/own", OWN_SECRET, HEADERS), ("/plain", None, {})):
            await register(
                resources,
                tenant_id=tenant_id,
                call_sid=f"OUT-{number}",
                url=f"https://crm.example.com{url}",
                secret=secret,
                headers=headers,
            )


async def open_everything(settings: Settings, calls: int) -> None:
    """Open all that was made, as the API and both workers do; raises `UndecryptableSecret`."""
    async with open_resources(settings) as opened:
        tenants = (await opened.tenants.page(limit=200, after="")).items
        assert len(tenants) == calls
        assert {one.connector_id for one in tenants} == {CONNECTOR}
        owned = 0
        for tenant in tenants:
            assert len(await opened.signing_secrets.of(tenant.id)) == 2
            for one in (await opened.subscriptions.page(tenant.id, limit=10)).items:
                owned += one.destination.secret == OWN_SECRET and one.destination.headers == HEADERS
        assert owned == calls
        for number in range(calls):
            partition = opened.subscriptions.partition_of_call(f"OUT-{number}")
            kept = await opened.watches.read(partition, make_key(call_sid=f"OUT-{number}").watch_id)
            assert kept is not None
            assert kept.watch.key.connector_id == CONNECTOR


async def test_afterwards_the_new_key_alone_opens_everything(rotated: Resources, make_settings: MakeSettings) -> None:
    alone = make_settings(encryption_keys=NEW_KEY)
    with pytest.raises(UndecryptableSecret):
        await open_everything(alone, 3)

    done = await rotated.service.reencryption.reencrypt()

    # Of each tenant its connector and its secrets, and two subscriptions, one without anything sealed; of each
    # partition with calls the line that they share.
    assert done == Reencrypted(renewed=3 * 3 + LINES, unchanged=3, unreadable=())
    await open_everything(alone, 3)


async def test_a_second_time_nothing_is_left_to_do_and_nothing_is_written(rotated: Resources) -> None:
    await rotated.service.reencryption.reencrypt()
    redis = rotated.ledger.redis
    before = {name: await redis.dump(name) async for name in redis.scan_iter("rb:*")}

    assert await rotated.service.reencryption.reencrypt() == Reencrypted(renewed=0, unchanged=12 + LINES, unreadable=())

    assert {name: await redis.dump(name) async for name in redis.scan_iter("rb:*")} == before


async def test_lifetimes_stay_as_they_are(rotated: Resources) -> None:
    before = await lifetimes(rotated)

    await rotated.service.reencryption.reencrypt()

    after = await lifetimes(rotated)
    assert after.keys() == before.keys()
    for name, lifetime in after.items():
        assert lifetime <= before[name], name
        assert (lifetime > 0) == (before[name] > 0), name


async def test_what_is_changed_and_made_meanwhile_is_lost_by_nobody(
    rotated: Resources, make_settings: MakeSettings
) -> None:
    subscriptions = rotated.subscriptions
    tenants = (await rotated.tenants.page(limit=10, after="")).items
    kept = [one for tenant in tenants for one in (await subscriptions.page(tenant.id, limit=10)).items]

    async def change(number: int) -> None:
        for one in kept:
            await subscriptions.change(one, SubscriptionChange(metadata={"change": str(number)}))

    async def poll() -> None:
        for number in range(3):
            partition = subscriptions.partition_of_call(f"OUT-{number}")
            await claim_polls(rotated, partition, horizon=EVERYTHING)

    done, *_ = await asyncio.gather(
        rotated.service.reencryption.reencrypt(), change(1), change(2), fill(rotated, 3, 3), poll()
    )

    assert done.unreadable == ()
    await open_everything(make_settings(encryption_keys=NEW_KEY), 6)
    for one in kept:
        assert (await read(rotated, one.id)).destination.metadata["change"] in ("1", "2")


async def test_a_change_that_comes_between_is_read_again(rotated: Resources, resources: Resources) -> None:
    """Whoever writes between the reading and the exchange, each time anew, is not overwritten."""
    tenant = (await rotated.tenants.page(limit=1, after="")).items[0]
    [plain, own] = (await rotated.subscriptions.page(tenant.id, limit=10)).items
    assert (plain.destination.secret, own.destination.secret) == (None, OWN_SECRET)
    going = True

    async def change() -> int:
        number = 0
        while going:
            number += 1
            await resources.subscriptions.change(own, SubscriptionChange(metadata={"change": str(number)}))
        return number

    changing = asyncio.create_task(change())
    for _ in range(5):
        done = await rotated.service.reencryption.reencrypt()
        assert [one.what for one in done.unreadable if "changed all the time" not in one.reason] == []
    going = False

    last = await changing
    assert (await read(rotated, own.id)).destination.metadata == {"change": str(last)}


async def test_of_two_at_once_each_thing_is_renewed_by_one(rotated: Resources, make_settings: MakeSettings) -> None:
    first, second = await asyncio.gather(*(rotated.service.reencryption.reencrypt() for _ in range(2)))

    assert first.renewed + second.renewed == 9 + LINES
    assert first.unreadable == second.unreadable == ()
    await open_everything(make_settings(encryption_keys=NEW_KEY), 3)


async def test_what_no_key_opens_is_named_and_left_as_it_is(
    rotated: Resources, both_keys: Settings, make_settings: MakeSettings
) -> None:
    other_key = base64.urlsafe_b64encode(bytes(32)).decode()
    async with open_resources(make_settings(encryption_keys=other_key)) as stranger:
        made = await register(stranger, call_sid="OUT-strange", secret=OWN_SECRET)
    redis = rotated.ledger.redis
    watch_id = make_key(call_sid="OUT-strange").watch_id
    mangled = (await rotated.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)).tenant.id
    await redis.hset(f"rb:{{{mangled}}}:tenant", "g", b"\x01\xc1")
    before = await redis.dump(made.partition.subscription(made.id))

    done = await rotated.service.reencryption.reencrypt()

    assert done.renewed == 9 + LINES
    assert {one.what for one in done.unreadable} == {
        f"secret or headers of subscription {made.id}",
        f"connector of calls {watch_id[:LINE_LENGTH]}",
        f"signing secrets of tenant {mangled}",
    }
    assert await redis.dump(made.partition.subscription(made.id)) == before
    for hidden in (OWN_SECRET, CONNECTOR, *both_keys.encryption_keys):
        assert hidden not in repr(done)


async def test_no_secret_shows_in_a_repr(resources: Resources) -> None:
    await fill(resources, 0, 1)
    [tenant] = (await resources.tenants.page(limit=1, after="")).items

    shown = repr((tenant, (await resources.subscriptions.page(tenant.id, limit=10)).items))

    secrets = await resources.signing_secrets.of(tenant.id)
    for hidden in (CONNECTOR, OWN_SECRET, *HEADERS.values(), *(one.secret for one in secrets)):
        assert hidden not in shown + repr(secrets)


async def test_processes_with_other_keys_do_not_take_each_others_calls(
    resources: Resources, both_keys: Settings, make_settings: MakeSettings
) -> None:
    """While keys are rotated, some have the new one already: what they write of a line stands beside the old."""
    new_alone = make_settings(encryption_keys=NEW_KEY)
    async with open_resources(new_alone) as ahead:
        made = [await register(one, call_sid=f"OUT-{number}") for number, one in ((0, resources), (2, ahead))]
        [partition] = {one.partition.number: one.partition for one in made}.values()

        for one in (resources, ahead):
            claims = await claim_polls(one, partition, lease=0)
            assert [claimed.watch.key.connector_id for claimed in claims] == [CONNECTOR] * 2

        async with open_resources(both_keys) as both:
            assert (await both.service.reencryption.reencrypt()).renewed == 1
    await open_both_calls(new_alone)


async def open_both_calls(settings: Settings) -> None:
    async with open_resources(settings) as opened:
        partition = opened.subscriptions.partition_of_call("OUT-0")
        assert len(await claim_polls(opened, partition)) == 2
