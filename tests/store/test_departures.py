"""Tenants that are deleted: whoever dies over it, nothing of theirs goes on, and nobody else is hurt."""

import asyncio

import pytest

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.service.errors import NoSuch
from app.store import keys
from app.store.api_keys import NotAdded
from app.store.departures import STRAGGLERS_SECONDS, Departures
from app.store.subscriptions import SubscriptionChange
from app.store.tenants import NewTenant, TenantChange
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.store.making import read, register

_MANY = 1030


@pytest.fixture
def departures(resources: Resources) -> Departures:
    return Departures(resources.ledger, resources.subscriptions, resources.settings.partitions)


async def _tenant(resources: Resources) -> NewTenant:
    return await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)


async def _status(resources: Resources, subscription_id: str) -> SubscriptionStatus:
    return (await read(resources, subscription_id)).status


async def _pass_time(resources: Resources) -> None:
    """Let every deletion have been begun so long ago that no request from before it is under way."""
    redis = resources.ledger.redis
    for tenant_id, _ in await redis.zrange(keys.LEAVING_TENANTS, 0, -1, withscores=True):
        await redis.zincrby(keys.LEAVING_TENANTS, -1000 * STRAGGLERS_SECONDS, tenant_id)


async def _names(resources: Resources, tenant_id: str) -> list[bytes]:
    return [name async for name in resources.ledger.redis.scan_iter(f"*{{{tenant_id}}}*")]


async def test_its_keys_open_nothing_and_its_subscriptions_are_cancelled(resources: Resources) -> None:
    new = await _tenant(resources)
    calls = [f"OUT-{number}" for number in range(12)]
    made = [await register(resources, call_sid=one, tenant_id=new.tenant.id) for one in calls]
    paused = await read(resources, made[0].id)
    await resources.subscriptions.change(paused, SubscriptionChange(paused=True))

    await resources.service.tenants.delete(new.tenant.id)

    assert {await _status(resources, one.id) for one in made} == {SubscriptionStatus.CANCELLED}
    assert len({one.partition.number for one in made}) > 1
    for one in made:
        assert await resources.ledger.redis.zcard(one.partition.due) == 0
    assert await resources.api_keys.authenticate(new.api_key) is None
    assert await resources.tenants.get(new.tenant.id) is None
    assert (await resources.tenants.page(limit=10, after="")).items == ()
    assert await _names(resources, new.tenant.id) == []


async def test_another_tenant_of_the_same_call_is_not_hurt(resources: Resources) -> None:
    new, other = await _tenant(resources), await _tenant(resources)
    await register(resources, tenant_id=new.tenant.id)
    theirs = await register(resources, tenant_id=other.tenant.id)

    await resources.service.tenants.delete(new.tenant.id)

    assert await _status(resources, theirs.id) is SubscriptionStatus.ACTIVE
    assert await resources.ledger.redis.zcard(theirs.partition.due) == 1
    assert await resources.api_keys.authenticate(other.api_key) is not None
    assert [one.id for one in (await resources.tenants.page(limit=10, after="")).items] == [other.tenant.id]


async def test_more_than_fit_into_one_look(resources: Resources) -> None:
    new = await _tenant(resources)
    url = "https://crm.example.com/hooks/{}"
    made = await asyncio.gather(
        *(register(resources, tenant_id=new.tenant.id, url=url.format(number)) for number in range(_MANY))
    )

    await resources.service.tenants.delete(new.tenant.id)

    partition = made[0].partition
    assert await resources.ledger.redis.zcard(partition.due) == 0
    for one in made:
        assert await resources.ledger.redis.hget(partition.subscription(one.id), "st") == b"cancelled"


@pytest.mark.parametrize("died", ["before anything was done", "when it was locked out"])
async def test_what_a_process_left_when_it_died_is_finished_by_another(
    resources: Resources, departures: Departures, died: str
) -> None:
    new = await _tenant(resources)
    one = await register(resources, tenant_id=new.tenant.id)
    assert await departures.begin(new.tenant.id)
    if died == "when it was locked out":
        await departures.lock_out(new.tenant.id)

    await resources.service.tenants.finish_deletions()

    assert await _status(resources, one.id) is SubscriptionStatus.CANCELLED
    assert await resources.api_keys.authenticate(new.api_key) is None


async def test_one_that_registers_behind_the_walk_is_cancelled_too(
    resources: Resources, departures: Departures
) -> None:
    new = await _tenant(resources)
    await resources.service.tenants.delete(new.tenant.id)
    # Its request was let in before.
    late = await register(resources, tenant_id=new.tenant.id)

    await _pass_time(resources)
    await resources.service.tenants.finish_deletions()

    assert await _status(resources, late.id) is SubscriptionStatus.CANCELLED
    assert await departures.under_way() == []


async def test_as_long_as_one_may_register_it_is_not_struck_off(resources: Resources, departures: Departures) -> None:
    new = await _tenant(resources)
    await departures.begin(new.tenant.id)
    await _pass_time(resources)

    # Begun a minute ago, but locked out only now.
    await resources.service.tenants.finish_deletions()
    assert await departures.under_way() == [new.tenant.id]

    await _pass_time(resources)
    await resources.service.tenants.finish_deletions()
    assert await departures.under_way() == []
    assert await resources.ledger.redis.exists(keys.LEAVING_TENANTS) == 0


async def test_deleting_again_is_no_error_as_long_as_it_lasts(resources: Resources) -> None:
    new = await _tenant(resources)

    await resources.service.tenants.delete(new.tenant.id)
    await resources.service.tenants.delete(new.tenant.id)

    await _pass_time(resources)
    await resources.service.tenants.finish_deletions()
    with pytest.raises(NoSuch):
        await resources.service.tenants.delete(new.tenant.id)


@pytest.mark.parametrize("unknown", ["ten_1m842cp907q3yc2f95cq", "nonsense"])
async def test_an_unknown_tenant_is_not_put_down(departures: Departures, unknown: str) -> None:
    assert not await departures.begin(unknown)
    assert await departures.under_way() == []


async def test_a_deleted_tenant_does_not_come_back(resources: Resources) -> None:
    new = await _tenant(resources)
    await resources.service.tenants.delete(new.tenant.id)

    assert not await resources.tenants.change(new.tenant.id, TenantChange(name="back"))
    assert await resources.api_keys.create(new.tenant.id, "back") is NotAdded.NO_SUCH_TENANT
    assert await resources.signing_secrets.rotate(new.tenant.id, 60) == ()
    assert await _names(resources, new.tenant.id) == []
