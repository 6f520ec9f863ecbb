"""Deliveries over REST: read, listed and retried."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.domain.breaker import breaker_name
from app.resources import Resources
from app.store.breakers import digest_of
from app.store.deliveries import LoggedAttempt
from app.store.keys import breaker
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant
from tests.api.delivering import DELIVERIES, delivery_id, retry_failed, rung_for, statuses, subscribed_to_ended_call
from tests.builders import CALL_SID
from tests.store.making import delivered, settle
from tests.store.sending import arrive, fail, give_up, partition_of, score, take

UNKNOWN = "dlv_0c1m842cp95qqrkphhnzx30005"


async def _get(api: httpx.AsyncClient, tenant: Headers, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"{DELIVERIES}{path}", headers=tenant, params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_delivery_tells_what_it_is_and_what_has_become_of_it(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)

    found = await _get(api, tenant, f"/{delivery_id(one, 5)}")

    assert found.pop("event_id").startswith("evt_")
    assert found.pop("created_at").endswith("Z")
    assert found == {
        "id": delivery_id(one, 5),
        "subscription_id": one,
        "call_sid": CALL_SID,
        "event_type": "call.completed",
        "sequence": 5,
        "final": True,
        "status": "pending",
        "next_attempt_at": None,
        "attempts_count": 0,
        "last_attempt_at": None,
        "last_status_code": None,
        "last_error": None,
        "attempts": [],
        "request": None,
    }


async def test_every_attempt_is_told(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    claimed = await take(resources, one)
    silent = LoggedAttempt(1, 1710496800.25, 0, "timeout", 15_000, b"", "retry")
    answered = LoggedAttempt(1, 1710496802.5, 200, "", 12, b"\xffok\x00\xe2\x82\xac", "delivered")
    for attempt in (silent, answered):
        await settle(resources, partition_of(resources, one), replace(delivered(claimed), attempt=attempt))

    found = await _get(api, tenant, f"/{delivery_id(one, 1)}")

    assert found["attempts"] == [
        {
            "at": "2024-03-15T10:00:00.250Z",
            "status_code": None,
            "error": "timeout",
            "duration_ms": 15_000,
            "response_excerpt": "",
        },
        {
            "at": "2024-03-15T10:00:02.500Z",
            "status_code": 200,
            "error": None,
            "duration_ms": 12,
            "response_excerpt": "\ufffdok\x00€",
        },
    ]
    assert (found["status"], found["attempts_count"], found["next_attempt_at"]) == ("delivered", 2, None)
    assert (found["last_attempt_at"], found["last_status_code"], found["last_error"]) == (
        "2024-03-15T10:00:02.500Z", 200, None,
    )  # fmt: skip


async def test_the_list_shows_each_delivery_without_its_attempts(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await arrive(resources, one)
    await fail(resources, one)

    listed = await _get(api, tenant, "", limit=4)
    rest = await _get(api, tenant, "", limit=4, cursor=listed["next_cursor"])

    assert [found["sequence"] for found in listed["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None
    waiting = listed["items"][3]
    assert waiting["next_attempt_at"] is not None
    assert (waiting["attempts_count"], waiting["last_status_code"]) == (1, 500)
    assert "attempts" not in waiting


async def test_the_filters(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    other = await subscribed_to_ended_call(api, tenant, resources, call_sid="OUT-2", events=["final"])
    await give_up(resources, one)
    await arrive(resources, one, 2)

    assert await statuses(api, tenant, subscription_id=one, status="pending") == {4: "pending", 5: "pending"}
    assert await statuses(api, tenant, call_sid=CALL_SID, status="delivered") == {2: "delivered", 3: "delivered"}
    assert await statuses(api, tenant, call_sid="OUT-2") == {5: "pending"}
    assert await statuses(api, tenant, status="failed") == {1: "failed"}
    assert await statuses(api, tenant, call_sid="OUT-nobody") == {}
    await api.delete(f"{SUBSCRIPTIONS}/{other}", headers=tenant)
    assert await statuses(api, tenant, status="cancelled") == {5: "cancelled"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"cursor": "bm9uc2Vuc2U"}, "cursor"),
        ({"status": "ringing"}, "status"),
        ({"call_sid": "CA-1"}, "call_sid"),
        ({"subscription_id": "dlv_1"}, "subscription_id"),
        ({"state": "failed"}, "state"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, tenant: Headers, query: dict[str, Any], field: str
) -> None:
    answer = await api.get(DELIVERIES, headers=tenant, params=query)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_another_tenants_delivery_is_answered_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    stranger = await new_tenant(api, name="stranger")

    for path, method in (("", api.get), ("/retry", api.post)):
        unknown = await method(f"{DELIVERIES}/{UNKNOWN}{path}", headers=stranger)
        assert unknown.status_code == 404
        for known in (delivery_id(one, 1), delivery_id(one, 5), delivery_id(one, 6), "nonsense", "%00", one):
            answer = await method(f"{DELIVERIES}/{known}{path}", headers=stranger)
            assert (answer.status_code, answer.content) == (404, unknown.content)
    for query in ({}, {"subscription_id": one}, {"call_sid": CALL_SID}, {"status": "failed"}):
        assert await _get(api, stranger, "", **query) == {"items": [], "next_cursor": None}
    assert (await api.post(f"{DELIVERIES}/retry", headers=stranger)).json() == {"queued": 0, "next_since": None}
    assert await statuses(api, tenant, status="failed") == {1: "failed"}


async def test_a_retry_by_hand_makes_a_failed_delivery_due_now(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    await fail(resources, one)

    answer = await api.post(f"{DELIVERIES}/{delivery_id(one, 1)}/retry", headers=tenant)

    assert answer.status_code == 202, answer.text
    retried = answer.json()
    assert (retried["id"], retried["status"], retried["attempts_count"]) == (delivery_id(one, 1), "pending", 1)
    assert retried["next_attempt_at"] is not None
    assert await score(resources, f"{one}/1") is not None
    assert await statuses(api, tenant, status="failed") == {}
    assert await rung_for(resources) == partition_of(resources, one).number


async def test_a_retry_by_hand_gives_the_destination_a_chance(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    [owner] = (await resources.tenants.page(limit=10, after="")).items
    name = breaker_name(owner.id, "https://crm.example.com:443")
    assert CALLBACK_URL.startswith("https://crm.example.com/")
    for _ in range(5):
        await resources.breakers.failed(name, "timeout", probe=False)
    await resources.ledger.redis.hset(breaker(digest_of(name)), "u", 9_999_999_999_999)

    await api.post(f"{DELIVERIES}/{delivery_id(one, 1)}/retry", headers=tenant)

    assert int(await resources.ledger.redis.hget(breaker(digest_of(name)), "u")) < 9_999_999_999_999


async def test_nothing_is_retried_once_the_subscription_has_ended(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await give_up(resources, one)
    await api.delete(f"{SUBSCRIPTIONS}/{one}", headers=tenant)

    for sequence in (1, 2):
        answer = await api.post(f"{DELIVERIES}/{delivery_id(one, sequence)}/retry", headers=tenant)
        assert answer.status_code == 409
        assert "cancelled" in answer.json()["detail"]
    assert await retry_failed(api, tenant) == {"queued": 0, "next_since": None}
    assert await statuses(api, tenant, status="failed") == {1: "failed"}
