"""Many subscriptions registered in one request."""

import logging
from typing import Any

import httpx
import pytest

from app.api.batch import PATH
from app.main import MAX_BATCH_BYTES, MAX_BODY_BYTES
from app.queue import POLL_QUEUE
from app.resources import Resources
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant, subscribe, subscription_body
from tests.builders import CALL_SID


async def _send(api: httpx.AsyncClient, tenant: Headers, items: Any) -> list[dict[str, Any]]:
    answer = await api.post(PATH, headers=tenant, json={"items": items})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["items"]
    return results


async def test_each_item_is_answered_in_its_place_as_if_it_had_come_alone(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    there = await subscribe(api, tenant)
    bad: list[Any] = [
        subscription_body(call_sid="CA-1"),
        subscription_body(events=["nonsense"]),
        subscription_body(paused=True),
        {"callback_url": CALLBACK_URL},
        subscription_body(metadata={"deal": 4711}),
        "no object",
        None,
        [],
    ]
    good = [subscription_body(call_sid=f"OUT-{number}", metadata={"deal": "ü"}) for number in range(len(bad))]
    mixed = [item for pair in zip(good, bad, strict=True) for item in pair]

    results = await _send(api, tenant, [*mixed, subscription_body()])

    assert [one["status"] for one in results] == [201, 422] * len(bad) + [200]
    assert results[-1] == {"status": 200, "subscription": there}
    for wanted, result in zip(good, results[:-1:2], strict=True):
        made = result["subscription"]
        assert made["call_sid"] == wanted["call_sid"]
        assert (await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)).json() == made
    for refused, result in zip(bad[:5], results[1:10:2], strict=True):
        alone = await api.post(SUBSCRIPTIONS, headers=tenant, json=refused)
        assert result == {"status": alone.status_code, "error": alone.json()}
    assert all(result["error"]["errors"][0]["message"] for result in results[1:-1:2])


async def test_of_the_same_in_one_batch_the_first_is_new(api: httpx.AsyncClient, tenant: Headers) -> None:
    results = await _send(api, tenant, [subscription_body()] * 3)

    assert [one["status"] for one in results] == [201, 200, 200]
    assert results[0]["subscription"] == results[1]["subscription"] == results[2]["subscription"]


async def test_a_thousand_over_all_partitions(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    items = [subscription_body(call_sid=f"OUT-{number}") for number in range(1000)]

    results = await _send(api, tenant, items)

    assert [one["status"] for one in results] == [201] * 1000
    assert [one["subscription"]["call_sid"] for one in results] == [one["call_sid"] for one in items]
    due = [await resources.ledger.redis.zcard(f"rb:{{{number:02d}}}:due") for number in range(4)]
    assert sum(due) == 1000
    assert min(due) > 0


async def test_it_takes_one_script_call_for_a_hundred_of_a_partition(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    items = [subscription_body(callback_url=f"{CALLBACK_URL}/{number}") for number in range(250)]
    await _send(api, tenant, items[:1])

    async def commands() -> int:
        return int((await resources.ledger.redis.info("commandstats"))["cmdstat_evalsha"]["calls"])

    before = await commands()
    await _send(api, tenant, items)

    # One for the key that the request bears.
    assert await commands() - before == 1 + 3


async def test_the_poll_doorbell_is_rung_once_for_a_partition(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await _send(api, tenant, [subscription_body(call_sid=f"OUT-{number}") for number in range(200)])
    await resources.queue.bzpopmin(POLL_QUEUE, 10)
    await resources.ledger.ping()

    assert await resources.queue.zcard(POLL_QUEUE) <= resources.settings.partitions


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{}] * 1001}, "items"),
        ({"items": {}}, "items"),
        ({}, "items"),
        ({"items": [{}], "more": 1}, "more"),
    ],
)
async def test_a_batch_that_is_none_is_refused(
    api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any], field: str
) -> None:
    answer = await api.post(PATH, headers=tenant, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_batch_may_be_larger_than_a_single_body(api: httpx.AsyncClient, tenant: Headers) -> None:
    metadata = {"text": "x" * 500}
    items = [subscription_body(call_sid=f"OUT-{number}", metadata=metadata) for number in range(200)]
    headers = {**tenant, "content-type": "application/json"}

    results = await _send(api, tenant, items)
    too_large = await api.post(PATH, headers=headers, content=b" " * (MAX_BATCH_BYTES + 1))
    too_large_elsewhere = await api.post(SUBSCRIPTIONS, headers=headers, content=b" " * (MAX_BODY_BYTES + 1))

    assert {one["status"] for one in results} == {201}
    assert (too_large.status_code, too_large_elsewhere.status_code) == (413, 413)
    assert str(MAX_BATCH_BYTES) in too_large.json()["detail"]
    assert str(MAX_BODY_BYTES) in too_large_elsewhere.json()["detail"]


async def test_what_was_registered_is_logged_in_one_line(
    api: httpx.AsyncClient, tenant: Headers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await _send(api, tenant, [subscription_body(), subscription_body(), {}])

    [line] = [one for one in caplog.records if one.message == "subscriptions registered"]
    assert (line.wanted, line.new) == (2, 1)  # type: ignore[attr-defined] # given as `extra`


async def test_tenants_do_not_find_each_others(api: httpx.AsyncClient, tenant: Headers) -> None:
    [mine] = await _send(api, tenant, [subscription_body()])
    [theirs] = await _send(api, await new_tenant(api, name="other"), [subscription_body()])

    assert (mine["status"], theirs["status"]) == (201, 201)
    assert mine["subscription"]["id"] != theirs["subscription"]["id"]
    assert mine["subscription"]["call_sid"] == CALL_SID
