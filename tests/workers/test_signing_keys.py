"""The keys that sign: remembered for a second, asked for once, and ended on time."""

import asyncio
import time

import pytest

from app.domain.signing import secret_key
from app.resources import Resources
from app.store import keys
from app.store.clock import StoreClock
from workers.signing_keys import FRESH_SECONDS, SigningKeys


def pass_time(clock: StoreClock, seconds: float) -> None:
    clock.set(round((clock.now() + seconds) * 1000))


@pytest.fixture
async def tenant_id(resources: Resources) -> str:
    return (await resources.tenants.create("crm", "acc", "proj", "connector")).tenant.id


@pytest.fixture
def clock() -> StoreClock:
    return StoreClock()


@pytest.fixture
def known(resources: Resources, clock: StoreClock) -> SigningKeys:
    return SigningKeys(resources.signing_secrets, clock)


async def test_the_keys_are_the_tenants(resources: Resources, known: SigningKeys, tenant_id: str) -> None:
    [secret] = await resources.signing_secrets.of(tenant_id)
    assert await known.of(tenant_id) == (secret_key(secret.secret),)


async def test_they_are_remembered_for_a_moment_and_then_read_again(
    resources: Resources, known: SigningKeys, clock: StoreClock, tenant_id: str
) -> None:
    found = await known.of(tenant_id)
    await resources.ledger.redis.delete(keys.tenant(tenant_id))

    pass_time(clock, FRESH_SECONDS / 2)
    assert await known.of(tenant_id) == found
    pass_time(clock, FRESH_SECONDS)
    assert await known.of(tenant_id) == ()


async def test_a_new_secret_signs_within_a_second_beside_the_old_one(
    resources: Resources, known: SigningKeys, clock: StoreClock, tenant_id: str
) -> None:
    [old] = await known.of(tenant_id)
    new = (await resources.signing_secrets.rotate(tenant_id, 60))[0]

    pass_time(clock, FRESH_SECONDS)

    assert await known.of(tenant_id) == (secret_key(new.secret), old)


async def test_a_secret_ends_when_it_expires_however_fresh_what_is_remembered(
    resources: Resources, known: SigningKeys, clock: StoreClock, tenant_id: str
) -> None:
    new = (await resources.signing_secrets.rotate(tenant_id, 60))[0]
    pass_time(clock, 59.5)
    assert len(await known.of(tenant_id)) == 2
    await resources.ledger.redis.delete(keys.tenant(tenant_id))

    pass_time(clock, 0.6)

    assert await known.of(tenant_id) == (secret_key(new.secret),)


async def test_many_at_once_ask_redis_once(resources: Resources, known: SigningKeys, tenant_id: str) -> None:
    redis = resources.ledger.redis
    masters = await resources.ledger.masters()
    for one in masters:
        await redis.config_resetstat(**one.options)

    found = await asyncio.gather(*(known.of(tenant_id) for _ in range(200)))

    assert len(set(found)) == 1
    told = [await redis.info("commandstats", **one.options) for one in masters]
    assert sum(one["cmdstat_hget"]["calls"] for one in told if "cmdstat_hget" in one) == 1


async def test_whoever_waits_and_goes_takes_nothing_from_the_others(known: SigningKeys, tenant_id: str) -> None:
    first, second = (asyncio.create_task(known.of(tenant_id)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert len(await second) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_clock_that_was_set_back_does_not_keep_old_keys_alive(
    resources: Resources, known: SigningKeys, clock: StoreClock, tenant_id: str
) -> None:
    assert await known.of(tenant_id)
    await resources.ledger.redis.delete(keys.tenant(tenant_id))
    clock.set(round((time.time() - 3600) * 1000))
    assert await known.of(tenant_id) == ()


async def test_a_tenant_that_is_not_there_has_none(known: SigningKeys) -> None:
    assert await known.of("ten_nobody") == ()
