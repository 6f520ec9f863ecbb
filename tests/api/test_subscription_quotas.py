"""What a tenant may have at most: active subscriptions, and subscriptions of one call."""

import asyncio
from typing import Any

import httpx

from app.api.batch import PATH
from app.domain.tenant import Quotas
from app.resources import Resources
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, subscription_body
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, LIFE, PROJECT
from tests.store.polling import poll


async def _bounded(resources: Resources, **quotas: int) -> Headers:
    new = await resources.service.tenants.create("bounded", ACCOUNT, PROJECT, CONNECTOR, Quotas(**quotas))
    return {"Authorization": f"Bearer {new.api_key}"}


async def _post(api: httpx.AsyncClient, tenant: Headers, **fields: Any) -> httpx.Response:
    return await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(**fields))


async def _batch(api: httpx.AsyncClient, tenant: Headers, items: list[dict[str, Any]]) -> list[int]:
    answer = await api.post(PATH, headers=tenant, json={"items": items})
    return [one["status"] for one in answer.json()["items"]]


async def test_no_more_active_ones_than_allowed(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant = await _bounded(resources, active_subscriptions=3)
    made = [await _post(api, tenant, call_sid=f"OUT-{number}") for number in range(3)]

    refused = await _post(api, tenant, call_sid="OUT-more")
    there = await _post(api, tenant, call_sid="OUT-0")

    assert [one.status_code for one in made] == [201] * 3
    assert (refused.status_code, there.status_code) == (429, 200)
    assert int(refused.headers["retry-after"]) > 0
    assert "3 active subscriptions" in refused.json()["detail"]
    assert len((await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"]) == 3


async def test_a_deleted_one_makes_room_and_a_paused_one_does_not(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant = await _bounded(resources, active_subscriptions=1)
    path = (await _post(api, tenant)).headers["location"]

    await api.patch(path, headers=tenant, json={"paused": True})
    assert (await _post(api, tenant, call_sid="OUT-2")).status_code == 429
    for _ in range(2):
        await api.delete(path, headers=tenant)

    assert (await _post(api, tenant, call_sid="OUT-2")).status_code == 201
    assert (await _post(api, tenant, call_sid="OUT-3")).status_code == 429


async def test_a_call_that_ends_makes_room_and_takes_none_afterwards(
    api: httpx.AsyncClient, resources: Resources
) -> None:
    tenant = await _bounded(resources, active_subscriptions=2)
    partition = resources.subscriptions.partition_of_call(CALL_SID)
    paths = [(await _post(api, tenant, callback_url=f"{CALLBACK_URL}/{n}")).headers["location"] for n in range(2)]
    await poll(resources, partition, LIFE[:3])
    assert (await _post(api, tenant, call_sid="OUT-2")).status_code == 429

    await poll(resources, partition)
    await api.delete(paths[0], headers=tenant)
    late = await _post(api, tenant, callback_url=f"{CALLBACK_URL}/late")
    made = [await _post(api, tenant, call_sid=f"OUT-{number}") for number in range(3)]

    assert late.status_code == 201
    assert [one.status_code for one in made] == [201, 201, 429]
    assert (await _post(api, tenant, callback_url=f"{CALLBACK_URL}/later")).status_code == 201


async def test_in_a_batch_the_first_ones_have_the_room(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant = await _bounded(resources, active_subscriptions=3)
    await _post(api, tenant, call_sid="OUT-0")
    items = [subscription_body(call_sid=f"OUT-{number}") for number in (0, 1, 1, 2, 3, 0)]

    assert await _batch(api, tenant, items) == [200, 201, 200, 201, 429, 200]
    assert await _batch(api, tenant, items) == [200, 200, 200, 200, 429, 200]


async def test_requests_at_once_do_not_take_the_same_room(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant = await _bounded(resources, active_subscriptions=5)

    answers = await asyncio.gather(*(_post(api, tenant, call_sid=f"OUT-{number}") for number in range(20)))

    assert sorted(one.status_code for one in answers) == [201] * 5 + [429] * 15


async def test_no_more_of_a_call_than_allowed(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    bounded = await _bounded(resources, subscriptions_per_call=2)
    # Another tenant's of the same call are not counted.
    for number in range(3):
        assert (await _post(api, tenant, callback_url=f"{CALLBACK_URL}/{number}")).status_code == 201

    items = [subscription_body(callback_url=f"{CALLBACK_URL}/{number}") for number in (1, 2, 3, 1)]

    assert await _batch(api, bounded, items) == [201, 201, 429, 200]
    single = await _post(api, bounded, callback_url=f"{CALLBACK_URL}/more")
    assert (single.status_code, (await _post(api, bounded, call_sid="OUT-2")).status_code) == (429, 201)
    assert "of one call" in single.json()["detail"]


async def test_what_expired_uncounted_is_not_counted_for_ever(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant = await _bounded(resources, active_subscriptions=10)
    await _post(api, tenant)
    partition = resources.subscriptions.partition_of_call(CALL_SID)
    [active] = [one async for one in resources.ledger.redis.scan_iter(f"{partition.prefix}active:*")]
    tenant_id = active.decode().rpartition(":")[2]
    # All that there is was made long ago, and nobody has counted it down.
    await resources.ledger.redis.delete(active)
    await resources.ledger.redis.hset(active, "0000", 7)
    assert await resources.registrations.active(tenant_id) == 7

    await _post(api, tenant, callback_url=f"{CALLBACK_URL}/new")

    assert await resources.registrations.active(tenant_id) == 1
    assert await resources.ledger.redis.pttl(active) > 0
