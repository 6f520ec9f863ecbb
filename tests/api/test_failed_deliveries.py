"""Everything that has failed, sent again at once: in order where there is one, within a range of time."""

from typing import Any

import httpx
import pytest

from app.resources import Resources
from tests.api.client import Headers
from tests.api.delivering import DELIVERIES, retry_failed, statuses, subscribed_to_ended_call
from tests.store.sending import arrive, give_up, overtake, partition_of, score, take


async def test_everything_failed_is_retried_in_order(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    in_order = await subscribed_to_ended_call(api, tenant, resources)
    alone = await subscribed_to_ended_call(api, tenant, resources, call_sid="OUT-2")
    await arrive(resources, in_order, 3)
    await give_up(resources, in_order, 2)
    await give_up(resources, alone, 2)
    await arrive(resources, alone, 3)

    assert await retry_failed(api, tenant) == {"queued": 4, "next_since": None}

    assert await statuses(api, tenant, status="failed") == {}
    claimed = await take(resources, in_order)
    assert [pending.sequence for pending in claimed.events] == [4, 5]
    first, second = await score(resources, f"{alone}/1"), await score(resources, f"{alone}/2")
    assert first is not None
    assert second == first + 1000
    assert await retry_failed(api, tenant) == {"queued": 0, "next_since": None}


async def test_what_waits_on_its_own_is_not_moved_back(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    await overtake(resources, one)
    await arrive(resources, one, 2)

    assert await retry_failed(api, tenant) == {"queued": 1, "next_since": None}

    assert await score(resources, f"{one}/1") is not None
    assert await score(resources, one) is None
    assert await statuses(api, tenant, status="pending") == {1: "pending", 2: "pending"}


async def test_only_what_failed_in_the_range_is_retried(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one, 3)
    found = await resources.subscriptions.get(one)
    assert found is not None
    times = {f"{one}/{sequence}": 1_710_496_800_000 + sequence * 1000 for sequence in (1, 2, 3)}
    await resources.ledger.redis.zadd(partition_of(resources, one).failed(found.tenant_id), times)

    nothing = await retry_failed(api, tenant, since="2024-03-15T10:00:03.001Z")
    middle = await retry_failed(api, tenant, since="2024-03-15T10:00:02Z", until="2024-03-15T11:00:02+01:00")

    assert (nothing["queued"], middle["queued"]) == (0, 1)
    assert await statuses(api, tenant, status="failed") == {1: "failed", 3: "failed"}
    assert (await retry_failed(api, tenant, until="2024-03-15T10:00:01Z"))["queued"] == 1
    assert (await retry_failed(api, tenant, since="2024-03-15T10:00:03Z"))["queued"] == 1


async def test_more_than_one_request_takes_says_where_to_go_on(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    found = await resources.subscriptions.get(one)
    assert found is not None
    name = partition_of(resources, one).failed(found.tenant_id)
    # So many that have expired lie before the one that has not.
    ghosts = {f"{one[:-5]}{number:05}/1": 1_710_496_800_000 + number for number in range(10_001)}
    await resources.ledger.redis.zadd(name, ghosts)

    first = await retry_failed(api, tenant)
    second = await retry_failed(api, tenant, since=first["next_since"])

    assert first == {"queued": 0, "next_since": "2024-03-15T10:00:10Z"}
    assert second == {"queued": 1, "next_since": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "2024-02-30T10:00:00Z"}, "until"),
        ({"since": "2024-03-15T10:00:01Z", "until": "2024-03-15T10:00:00Z"}, "until"),
        ({"since": 1_710_496_800}, "since"),
        ({"from": "2024-03-15T10:00:00Z"}, "from"),
    ],
)
async def test_a_range_that_is_none_is_refused(
    api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any], field: str
) -> None:
    answer = await api.post(f"{DELIVERIES}/retry", headers=tenant, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_body_that_is_no_json_is_refused(api: httpx.AsyncClient, tenant: Headers) -> None:
    unsaid = await api.post(f"{DELIVERIES}/retry", headers=tenant, content=b"{}")
    broken = await api.post(f"{DELIVERIES}/retry", headers={**tenant, "content-type": "application/json"}, content=b"{")

    assert (unsaid.status_code, broken.status_code) == (415, 400)


async def test_a_range_is_that_of_the_last_attempts_as_they_are_shown(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    [failed] = (await api.get(DELIVERIES, headers=tenant, params={"status": "failed"})).json()["items"]
    at = failed["last_attempt_at"]

    assert (await retry_failed(api, tenant, since=at, until=at))["queued"] == 1


@pytest.mark.parametrize("text", ["2024-03-15T10:00:00", "2024-03-15", "2024-03-15T10:00:00 UTC", "yesterday"])
async def test_a_time_that_does_not_name_its_offset_is_refused(
    api: httpx.AsyncClient, tenant: Headers, text: str
) -> None:
    answer = await api.post(f"{DELIVERIES}/retry", headers=tenant, json={"since": text})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "since"
