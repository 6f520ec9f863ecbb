"""A tenant's calls, page by page, and a call's events."""

from typing import Any

import httpx
import pytest

from app.domain.cadence import NotFound
from app.resources import Resources
from tests.api.client import SUBSCRIPTIONS, Headers, new_tenant, subscribe
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, LIFE, PROJECT
from tests.store.keys import delete_call
from tests.store.polling import poll

CALLS = "/v1/calls"
EVENTS = f"{CALLS}/{CALL_SID}/events"
OTHER_URL = "https://crm.example.com/other"


async def _page(api: httpx.AsyncClient, tenant: Headers, path: str = CALLS, **query: Any) -> dict[str, Any]:
    answer = await api.get(path, headers=tenant, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def _pages(api: httpx.AsyncClient, tenant: Headers, path: str = CALLS, **query: Any) -> list[list[Any]]:
    """Return what every page holds, to the end."""
    pages: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _page(api, tenant, path, **query, **cursor)
        pages.append(page["items"])
        if page["next_cursor"] is None:
            return pages
        cursor = {"cursor": page["next_cursor"]}


async def _sids(api: httpx.AsyncClient, tenant: Headers, **query: Any) -> list[str]:
    return [call["call_sid"] for page in await _pages(api, tenant, **query) for call in page]


async def test_calls_come_newest_first_page_by_page(api: httpx.AsyncClient, tenant: Headers) -> None:
    for number in range(7):
        await subscribe(api, tenant, call_sid=f"OUT-{number}")

    pages = await _pages(api, tenant, limit=3)

    assert [[call["call_sid"] for call in page] for page in pages] == [
        ["OUT-6", "OUT-5", "OUT-4"],
        ["OUT-3", "OUT-2", "OUT-1"],
        ["OUT-0"],
    ]
    assert await _pages(api, tenant, limit=7) == [[call for page in pages for call in page]]
    assert CONNECTOR not in str(pages)


async def test_a_listed_call_is_the_call(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))

    [listed] = (await _page(api, tenant))["items"]

    assert listed == (await api.get(f"{CALLS}/{CALL_SID}", headers=tenant)).json()
    assert listed["final_event"] == "call.completed"


async def test_a_call_appears_once_where_it_was_first_subscribed_to(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant, call_sid="OUT-1")
    await subscribe(api, tenant, call_sid="OUT-2")
    first = await _page(api, tenant, limit=1)
    await subscribe(api, tenant, call_sid="OUT-1", callback_url=OTHER_URL)
    await subscribe(api, tenant, call_sid="OUT-1", account_id="account-2")
    await subscribe(api, tenant, call_sid="OUT-1", account_id="account-2", callback_url=OTHER_URL)

    listed = await _page(api, tenant)
    second = await _page(api, tenant, limit=1, cursor=first["next_cursor"])

    assert [(call["call_sid"], call["account_id"]) for call in listed["items"]] == [
        ("OUT-1", "account-2"),
        ("OUT-2", ACCOUNT),
        ("OUT-1", ACCOUNT),
    ]
    assert [call["call_sid"] for call in first["items"] + second["items"]] == ["OUT-2", "OUT-1"]
    assert second["next_cursor"] is None


async def test_what_is_cancelled_is_still_listed_and_what_is_not_kept_is_not(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    made = await subscribe(api, tenant, call_sid="OUT-1")
    await api.delete(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)
    await subscribe(api, tenant, call_sid=CALL_SID)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))
    assert await _sids(api, tenant) == [CALL_SID, "OUT-1"]

    await delete_call(resources, CALL_SID)

    assert await _sids(api, tenant) == ["OUT-1"]


async def test_filters_show_calls_by_status_and_by_whether_they_have_ended(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    for sid, seen in (("OUT-new", 0), ("OUT-busy", 4), ("OUT-over", 5)):
        await subscribe(api, tenant, call_sid=sid)
        if seen:
            await poll(resources, resources.subscriptions.partition_of_call(sid), LIFE[:seen])
        # What else is in the partition has been polled along; it is polled no more.
        await resources.ledger.redis.delete(resources.subscriptions.partition_of_call(sid).due)

    assert await _sids(api, tenant, ended="true") == ["OUT-over"]
    assert await _sids(api, tenant, ended="false") == ["OUT-busy", "OUT-new"]
    assert await _sids(api, tenant, status="in-progress") == ["OUT-busy"]
    assert await _sids(api, tenant, status="IN_PROGRESS", ended="false") == ["OUT-busy"]
    assert await _sids(api, tenant, status="completed", ended="false") == []


async def test_other_tenants_calls_are_not_listed(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant)
    stranger = await new_tenant(api, name="stranger")

    assert await _page(api, stranger) == {"items": [], "next_cursor": None}


async def test_a_calls_events_are_those_of_its_deliveries(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant, events=["final"])
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))

    events = (await _page(api, tenant, EVENTS))["items"]

    assert await _pages(api, tenant, EVENTS, limit=2) == [events[:2], events[2:4], events[4:]]
    assert [event["type"] for event in events] == [
        "call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed",
    ]  # fmt: skip
    last = events[-1]
    assert last["data"].pop("event_id").startswith("evt_")
    assert last["data"].pop("observed_at").endswith("Z")
    assert last == {
        "type": "call.completed",
        "timestamp": "2024-03-15T10:05:30Z",
        "data": {
            "sequence": 5,
            "final": True,
            "status": "completed",
            "previous_status": "in-progress",
            "call_sid": CALL_SID,
            "account_id": ACCOUNT,
            "project_id": PROJECT,
            "occurred_at": "2024-03-15T10:05:30Z",
        },
    }
    assert events[0]["data"]["previous_status"] is None


async def test_the_reason_of_a_lost_call_is_in_its_last_event(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID), NotFound())

    [event] = (await _page(api, tenant, EVENTS))["items"]

    assert (event["type"], event["data"]["reason"], event["data"]["final"]) == ("call.lost", "not_found", True)


async def test_a_call_without_events_has_none(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant)

    assert await _page(api, tenant, EVENTS) == {"items": [], "next_cursor": None}
    assert (await api.get(EVENTS, headers=tenant, params={"account_id": "another"})).status_code == 404


async def test_events_that_another_tenant_subscribed_to_are_answered_like_those_of_no_call(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    await subscribe(api, tenant)
    stranger = await new_tenant(api, name="stranger")

    theirs = await api.get(EVENTS, headers=stranger)
    none = await api.get(f"{CALLS}/OUT-never/events", headers=stranger)

    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.content == none.content


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "cursor=eA", "final=1", "ended=perhaps"])
async def test_nonsense_in_a_query_is_refused(api: httpx.AsyncClient, tenant: Headers, query: str) -> None:
    assert (await api.get(f"{CALLS}?{query}", headers=tenant)).status_code == 422
    if "ended" not in query:
        await subscribe(api, tenant)
        assert (await api.get(f"{EVENTS}?{query}", headers=tenant)).status_code == 422
