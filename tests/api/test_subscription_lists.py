"""Lists of subscriptions: pages, filters and cursors."""

from typing import Any

import httpx
import pytest

from app.resources import Resources
from tests.api.client import SUBSCRIPTIONS, Headers, new_tenant, subscribe
from tests.store.polling import poll


async def _pages(api: httpx.AsyncClient, tenant: Headers, **query: Any) -> list[list[str]]:
    """Return the ids of each page, to the last."""
    pages: list[list[str]] = []
    cursor = None
    while True:
        parameters = query | ({"cursor": cursor} if cursor else {})
        answer = await api.get(SUBSCRIPTIONS, headers=tenant, params=parameters)
        assert answer.status_code == 200, answer.text
        pages.append([one["id"] for one in answer.json()["items"]])
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return pages


async def test_pages_hold_everything_once_the_newest_first(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = [(await subscribe(api, tenant, call_sid=f"OUT-{number}"))["id"] for number in range(7)]

    pages = await _pages(api, tenant, limit=3)

    assert [len(page) for page in pages] == [3, 3, 1]
    shown = [one for page in pages for one in page]
    assert sorted(shown) == sorted(made)
    # Ids made in one millisecond have no order; those made in different ones sort by age.
    ages = [one[6:15] for one in shown]
    assert ages == sorted(ages, reverse=True)


async def test_the_last_full_page_says_that_it_is_the_last(api: httpx.AsyncClient, tenant: Headers) -> None:
    for number in range(4):
        await subscribe(api, tenant, call_sid=f"OUT-{number}")

    assert [len(page) for page in await _pages(api, tenant, limit=2)] == [2, 2]
    assert [len(page) for page in await _pages(api, tenant, limit=4)] == [4]


async def test_what_is_added_meanwhile_disturbs_no_page(api: httpx.AsyncClient, tenant: Headers) -> None:
    before = [(await subscribe(api, tenant, call_sid=f"OUT-{number}"))["id"] for number in range(6)]
    first = (await api.get(SUBSCRIPTIONS, headers=tenant, params={"limit": 2})).json()
    shown = [one["id"] for one in first["items"]]
    cursor = first["next_cursor"]

    while cursor:
        await subscribe(api, tenant, call_sid=f"OUT-later-{len(shown)}")
        page = (await api.get(SUBSCRIPTIONS, headers=tenant, params={"limit": 2, "cursor": cursor})).json()
        shown += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]

    assert sorted(shown) == sorted(before)


async def test_the_filter_by_call_pages_too(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = {
        (await subscribe(api, tenant, callback_url=f"https://crm.example.com/{number}"))["id"] for number in range(5)
    }
    await subscribe(api, tenant, call_sid="OUT-other")
    sid = (await api.get(f"{SUBSCRIPTIONS}/{next(iter(made))}", headers=tenant)).json()["call_sid"]

    pages = await _pages(api, tenant, call_sid=sid, limit=2)

    assert [len(page) for page in pages] == [2, 2, 1]
    assert {one for page in pages for one in page} == made
    assert await _pages(api, tenant, call_sid="OUT-nobody") == [[]]


async def test_the_filter_by_status(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    ended, cancelled, active = [await subscribe(api, tenant, call_sid=f"OUT-{word}") for word in ("end", "no", "go")]
    await api.delete(f"{SUBSCRIPTIONS}/{cancelled['id']}", headers=tenant)
    await poll(resources, resources.subscriptions.partition_of_call("OUT-end"))
    await subscribe(api, tenant, call_sid="OUT-go", callback_url="https://crm.example.com/second")

    found = {
        status: [one for page in await _pages(api, tenant, status=status, limit=1) for one in page]
        for status in ("active", "completed", "cancelled", "disabled", "paused")
    }

    assert (found["completed"], found["cancelled"]) == ([ended["id"]], [cancelled["id"]])
    assert len(found["active"]) == 2
    assert active["id"] in found["active"]
    assert (found["disabled"], found["paused"]) == ([], [])
    both = await _pages(api, tenant, status="cancelled", call_sid="OUT-no")
    assert both == [[cancelled["id"]]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "bm9uc2Vuc2U"}, "cursor"),
        ({"cursor": "💥"}, "cursor"),
        ({"status": "ringing"}, "status"),
        ({"call_sid": "CA-1"}, "call_sid"),
        ({"state": "active"}, "state"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, tenant: Headers, query: dict[str, Any], field: str
) -> None:
    answer = await api.get(SUBSCRIPTIONS, headers=tenant, params=query)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(api: httpx.AsyncClient, tenant: Headers) -> None:
    for number in range(3):
        await subscribe(api, tenant, call_sid=f"OUT-{number}")
    cursor = (await api.get(SUBSCRIPTIONS, headers=tenant, params={"limit": 1})).json()["next_cursor"]
    stranger = await new_tenant(api, name="stranger")

    answer = await api.get(SUBSCRIPTIONS, headers=stranger, params={"cursor": cursor})

    assert answer.json() == {"items": [], "next_cursor": None}
