"""How many requests a tenant may make: counted where its key is looked up."""

import asyncio

from app.domain.tenant import Quotas, RateStanding
from app.resources import Resources
from app.store import keys
from app.store.api_keys import Admitted, Throttled
from app.store.tenants import NewTenant, TenantChange
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.store.keys import lifetimes

_SECOND = 1_000_000


async def _tenant(resources: Resources, limit: int | None) -> NewTenant:
    quotas = Quotas(requests_per_second=limit)
    return await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR, quotas)


async def _empty_bucket(resources: Resources, tenant_id: str) -> None:
    """Take all requests away for as long as the test lasts: a bucket is a second's, however far ahead its end is."""
    seconds, micros = await resources.ledger.redis.time()
    await resources.ledger.redis.set(keys.tenant_rate(tenant_id), (seconds + 3600) * _SECOND + micros)


async def test_the_first_request_leaves_the_rest_of_a_seconds(resources: Resources) -> None:
    for limit in (1, 3, 7, 1000, 100_000):
        new = await _tenant(resources, limit)

        admitted = await resources.api_keys.authenticate(new.api_key)

        assert isinstance(admitted, Admitted)
        assert admitted.rate is not None
        assert (admitted.rate.limit, admitted.rate.remain) == (limit, limit - 1)
        assert abs(admitted.rate.full_after - 1 / limit) < 1e-5


async def test_a_request_too_many_is_told_when_to_come_back_and_is_not_counted(resources: Resources) -> None:
    new = await _tenant(resources, 4)
    await _empty_bucket(resources, new.tenant.id)
    before = await resources.ledger.redis.get(keys.tenant_rate(new.tenant.id))

    for _ in range(3):
        assert await resources.api_keys.authenticate(new.api_key) == Throttled(
            new.tenant.id, RateStanding(4, 0, 1.0), 0.25
        )

    assert await resources.ledger.redis.get(keys.tenant_rate(new.tenant.id)) == before


async def test_no_more_pass_than_a_second_allows(resources: Resources) -> None:
    limit = 20
    new = await _tenant(resources, limit)
    begun = await resources.ledger.redis.time()

    outcomes = await asyncio.gather(*(resources.api_keys.authenticate(new.api_key) for _ in range(5 * limit)))

    ended = await resources.ledger.redis.time()
    elapsed = (ended[0] - begun[0]) + (ended[1] - begun[1]) / _SECOND
    passed = sum(isinstance(one, Admitted) for one in outcomes)
    assert limit <= passed <= limit * (1 + elapsed) + 1
    assert {type(one) for one in outcomes} <= {Admitted, Throttled}


async def test_tenants_do_not_use_up_each_others_requests(resources: Resources) -> None:
    one, other = await _tenant(resources, 2), await _tenant(resources, 2)
    await _empty_bucket(resources, one.tenant.id)

    assert isinstance(await resources.api_keys.authenticate(one.api_key), Throttled)
    assert isinstance(await resources.api_keys.authenticate(other.api_key), Admitted)


async def test_a_wrong_key_uses_up_nothing(resources: Resources) -> None:
    new = await _tenant(resources, 1)

    assert await resources.api_keys.authenticate(new.api_key[:-43] + "A" * 43) is None

    assert not await resources.ledger.redis.exists(keys.tenant_rate(new.tenant.id))


async def test_without_a_bound_nothing_is_counted(resources: Resources) -> None:
    new = await _tenant(resources, None)

    for _ in range(30):
        admitted = await resources.api_keys.authenticate(new.api_key)
        assert isinstance(admitted, Admitted)
        assert admitted.rate is None

    assert not await resources.ledger.redis.exists(keys.tenant_rate(new.tenant.id))


async def test_what_is_counted_lives_as_long_as_it_counts(resources: Resources) -> None:
    new = await _tenant(resources, 1)

    await resources.api_keys.authenticate(new.api_key)

    living = await lifetimes(resources)
    assert living[keys.tenant(new.tenant.id)] == -1
    # It may be over by now.
    assert living.get(keys.tenant_rate(new.tenant.id), 1) in range(1001)


async def test_a_bound_applies_from_the_next_request_on(resources: Resources) -> None:
    new = await _tenant(resources, None)
    await resources.api_keys.authenticate(new.api_key)
    await resources.tenants.change(new.tenant.id, TenantChange(quotas={"requests_per_second": 4}))
    await _empty_bucket(resources, new.tenant.id)

    assert isinstance(await resources.api_keys.authenticate(new.api_key), Throttled)
    await resources.tenants.change(new.tenant.id, TenantChange(quotas={"requests_per_second": None}))
    assert isinstance(await resources.api_keys.authenticate(new.api_key), Admitted)
