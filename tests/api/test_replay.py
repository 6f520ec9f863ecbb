"""Replays over REST: a subscription's events once more, from the first or since a time."""

from typing import Any

import httpx
import pytest

from app.resources import Resources
from tests.api.client import SUBSCRIPTIONS, Headers, new_tenant, subscribe
from tests.api.delivering import DELIVERIES, delivery_id, rung_for, statuses, subscribed_to_ended_call
from tests.builders import CALL_SID, LIFE
from tests.store.making import claim
from tests.store.polling import poll
from tests.store.sending import arrive, give_up, partition_of, take

UNKNOWN = "sub_0c1m842cp95qqrkphhnzx3"


async def _replay(api: httpx.AsyncClient, tenant: Headers, subscription_id: str, **wanted: Any) -> httpx.Response:
    return await api.post(f"{SUBSCRIPTIONS}/{subscription_id}/replay", headers=tenant, json=wanted or None)


async def test_a_completed_subscription_is_sent_everything_again(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await arrive(resources, one, 2)
    await give_up(resources, one)
    await arrive(resources, one, 2)

    answer = await _replay(api, tenant, one)

    assert (answer.status_code, answer.json()) == (202, {"queued": 5})
    assert set((await statuses(api, tenant)).values()) == {"pending"}
    assert await statuses(api, tenant, status="failed") == {}
    assert await rung_for(resources) == partition_of(resources, one).number
    [claimed] = await claim(resources, partition_of(resources, one))
    assert [pending.sequence for pending in claimed.events] == [1, 2, 3, 4, 5]
    await arrive(resources, one, 5)
    assert set((await statuses(api, tenant)).values()) == {"delivered"}


async def test_a_replay_since_a_time_begins_with_the_first_event_seen_by_then(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = (await subscribe(api, tenant))["id"]
    partition = resources.subscriptions.partition_of_call(CALL_SID)
    for polled in (2, 3, 5):
        await poll(resources, partition, LIFE[:polled])
    await arrive(resources, one, 5)
    third = (await api.get(f"{DELIVERIES}/{delivery_id(one, 3)}", headers=tenant)).json()

    assert (await _replay(api, tenant, one, since="9999-12-31T23:59:59Z")).json() == {"queued": 0}
    assert set((await statuses(api, tenant)).values()) == {"delivered"}
    assert (await _replay(api, tenant, one, since=third["created_at"])).json() == {"queued": 3}

    assert await statuses(api, tenant, status="delivered") == {1: "delivered", 2: "delivered"}
    assert [pending.sequence for pending in (await take(resources, one)).events] == [3, 4, 5]


async def test_only_wanted_events_are_counted(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources, events=["call.ringing", "final"])

    assert (await _replay(api, tenant, one)).json() == {"queued": 2}


async def test_a_paused_subscription_is_replayed_once_it_is_resumed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await arrive(resources, one, 5)
    await api.patch(f"{SUBSCRIPTIONS}/{one}", headers=tenant, json={"paused": True})

    assert (await _replay(api, tenant, one)).json() == {"queued": 5}

    assert await claim(resources, partition_of(resources, one)) == []
    await api.patch(f"{SUBSCRIPTIONS}/{one}", headers=tenant, json={"paused": False})
    [claimed] = await claim(resources, partition_of(resources, one))
    assert len(claimed.events) == 5


async def test_a_subscription_that_has_ended_is_not_replayed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await arrive(resources, one, 5)
    await api.delete(f"{SUBSCRIPTIONS}/{one}", headers=tenant)

    for wanted in ({}, {"since": "9999-12-31T23:59:59Z"}):
        answer = await _replay(api, tenant, one, **wanted)
        assert answer.status_code == 409
        assert "cancelled" in answer.json()["detail"]


async def test_another_tenants_subscription_is_answered_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    one = await subscribed_to_ended_call(api, tenant, resources)
    await arrive(resources, one, 5)
    stranger = await new_tenant(api, name="stranger")

    unknown = await _replay(api, stranger, UNKNOWN)

    assert unknown.status_code == 404
    for known in (one, "nonsense", "sub_zz1m842cp95qqrkphhnzx3", "%00"):
        answer = await _replay(api, stranger, known)
        assert (answer.status_code, answer.content) == (404, unknown.content)
    assert set((await statuses(api, tenant)).values()) == {"delivered"}


@pytest.mark.parametrize(("body", "field"), [({"since": "now"}, "since"), ({"since": 1}, "since"), ({"to": ""}, "to")])
async def test_a_replay_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any], field: str
) -> None:
    one = (await subscribe(api, tenant))["id"]

    answer = await _replay(api, tenant, one, **body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
