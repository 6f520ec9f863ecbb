"""The keys that sign: remembered for a few seconds, then read again."""

import time

from app.domain.signing import secret_key
from app.resources import Resources
from app.store import keys
from app.store.clock import StoreClock
from workers.signing_keys import SigningKeys


def pass_time(clock: StoreClock, seconds: float) -> None:
    clock.set(round((clock.now() + seconds) * 1000))


async def test_the_keys_are_the_tenants(resources: Resources) -> None:
    tenant = (await resources.tenants.create("crm", "acc", "proj", "connector")).tenant
    found = await SigningKeys(resources.tenants, StoreClock()).of(tenant.id)
    assert found == tuple(secret_key(secret) for secret in tenant.signing_secrets)


async def test_they_are_remembered_for_a_moment_and_then_read_again(resources: Resources) -> None:
    tenant = (await resources.tenants.create("crm", "acc", "proj", "connector")).tenant
    clock = StoreClock()
    known = SigningKeys(resources.tenants, clock)
    found = await known.of(tenant.id)
    await resources.ledger.redis.delete(keys.tenant(tenant.id))

    pass_time(clock, 4)
    assert await known.of(tenant.id) == found
    pass_time(clock, 2)
    assert await known.of(tenant.id) == ()


async def test_a_clock_that_was_set_back_does_not_keep_old_keys_alive(resources: Resources) -> None:
    tenant = (await resources.tenants.create("crm", "acc", "proj", "connector")).tenant
    clock = StoreClock()
    known = SigningKeys(resources.tenants, clock)
    assert await known.of(tenant.id)
    await resources.ledger.redis.delete(keys.tenant(tenant.id))
    clock.set(round((time.time() - 3600) * 1000))
    assert await known.of(tenant.id) == ()


async def test_a_tenant_that_is_not_there_has_none(resources: Resources) -> None:
    assert await SigningKeys(resources.tenants, StoreClock()).of("ten_nobody") == ()
