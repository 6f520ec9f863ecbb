"""Kept calls over REST."""

from typing import Any

import httpx
import pytest

from app.domain.cadence import Failed, NotFound
from app.resources import Resources
from tests.api.client import SUBSCRIPTIONS, Headers, new_tenant, subscribe
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, LIFE, PROJECT
from tests.store.keys import delete_call
from tests.store.polling import poll

CALL = f"/v1/calls/{CALL_SID}"
HISTORY = [{"status": status, "timestamp": time} for status, time in LIFE]


async def _call(api: httpx.AsyncClient, tenant: Headers, **query: str) -> dict[str, Any]:
    answer = await api.get(CALL, headers=tenant, params=query)
    assert answer.status_code == 200, answer.text
    call: dict[str, Any] = answer.json()
    return call


async def test_before_the_first_poll_nothing_is_known_but_the_names(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant)

    call = await _call(api, tenant)

    polling = call.pop("polling")
    assert call == {
        "call_sid": CALL_SID,
        "account_id": ACCOUNT,
        "project_id": PROJECT,
        "client_env": None,
        "status": None,
        "final_event": None,
        "lost_reason": None,
        "created_at": None,
        "last_updated": None,
        "event_history": [],
    }
    assert (polling["polls"], polling["last_polled_at"], polling["consecutive_failures"]) == (0, None, 0)
    assert polling["next_poll_at"] >= polling["watched_since"]


async def test_a_call_in_progress_shows_its_status_and_its_history(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID), LIFE[:4])

    call = await _call(api, tenant)

    assert (call["status"], call["final_event"], call["client_env"]) == ("in-progress", None, "production")
    assert (call["created_at"], call["last_updated"]) == ("2024-03-15T10:00:00Z", "2024-03-15T10:00:12Z")
    assert call["event_history"] == HISTORY[:4]
    assert call["polling"]["polls"] == 1
    assert call["polling"]["next_poll_at"] > call["polling"]["last_polled_at"]


async def test_an_ended_call_is_not_polled_and_still_told_of(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    made = await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))
    await api.delete(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)

    call = await _call(api, tenant)

    assert (call["status"], call["final_event"], call["lost_reason"]) == ("completed", "call.completed", None)
    assert call["event_history"] == HISTORY
    assert call["polling"]["next_poll_at"] is None
    assert CONNECTOR not in str(call)


async def test_a_lost_call_shows_why_and_no_status_of_ours(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    partition = resources.subscriptions.partition_of_call(CALL_SID)
    await poll(resources, partition, LIFE[:3])
    await poll(resources, partition, Failed("http_500"))
    assert (await _call(api, tenant))["polling"]["consecutive_failures"] == 1
    await poll(resources, partition, NotFound())

    call = await _call(api, tenant)

    assert (call["status"], call["final_event"], call["lost_reason"]) == ("ringing", "call.lost", "expired")
    assert call["event_history"] == HISTORY[:3]


async def test_a_call_that_another_tenant_subscribed_to_is_answered_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    await subscribe(api, tenant)
    stranger = await new_tenant(api, name="stranger")

    theirs = await api.get(CALL, headers=stranger)

    assert theirs.status_code == 404
    for sid in ("OUT-never", "nonsense", "OUT-%00", "%F0%9F%92%A5"):
        answer = await api.get(f"/v1/calls/{sid}", headers=stranger)
        assert (answer.status_code, answer.content) == (404, theirs.content)


async def test_of_several_calls_of_one_sid_the_one_asked_for_is_shown(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant)
    await subscribe(api, tenant, account_id="account-2", project_id="project-2")
    await subscribe(api, tenant, callback_url="https://crm.example.com/third")

    last = await _call(api, tenant)
    narrowed = await _call(api, tenant, account_id="account-2")
    nowhere = await api.get(CALL, headers=tenant, params={"account_id": "account-2", "project_id": PROJECT})

    assert last["account_id"] == ACCOUNT
    assert (narrowed["account_id"], narrowed["project_id"]) == ("account-2", "project-2")
    assert nowhere.status_code == 404


async def test_a_call_whose_retention_is_over_is_gone_with_its_subscriptions(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    made = await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))

    await delete_call(resources, CALL_SID)

    assert (await api.get(CALL, headers=tenant)).status_code == 404
    assert (await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)).status_code == 404
    assert (await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"] == []


@pytest.mark.parametrize("query", ["account=1", "connector_id=1"])
async def test_an_unknown_query_is_refused(api: httpx.AsyncClient, tenant: Headers, query: str) -> None:
    assert (await api.get(f"{CALL}?{query}", headers=tenant)).status_code == 422
