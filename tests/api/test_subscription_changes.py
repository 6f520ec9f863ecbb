"""PATCH of a subscription: what it changes, what it refuses, and what it leaves as it is."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.domain.timestamps import parse_timestamp
from app.queue import DELIVER_QUEUE
from app.resources import Resources
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant, running, subscribe, subscription_body
from tests.builders import CALL_SID, LIFE
from tests.conftest import MakeSettings
from tests.store.making import claim
from tests.store.polling import poll

OTHER_URL = "https://crm.example.com/other"
SECRET = "whsec_" + "c2VjcmV0LW9mLW9uZS1zdWJzY3JpcHRpb24="
BAD_FIELDS: list[tuple[str, Any]] = [
    ("callback_url", None),
    ("callback_url", ""),
    ("callback_url", "ftp://crm.example.com/hooks"),
    ("callback_url", "https://crm.example.com/hooks#part"),
    ("callback_url", "https://user:password@crm.example.com/"),
    ("callback_url", [OTHER_URL]),
    ("events", None),
    ("events", []),
    ("events", ["completed"]),
    ("events", "final"),
    ("events.0", [7]),
    ("metadata", None),
    ("metadata", {"deal": "x" * 501}),
    ("metadata", {f"key{number}": "value" for number in range(21)}),
    ("metadata.deal", {"deal": None}),
    ("paused", None),
    ("paused", "true"),
    ("paused", 1),
    ("call_sid", "OUT-2"),
    ("secret", SECRET),
    ("headers", {"authorization": "Basic bm9ib2R5"}),
    ("status", "paused"),
]


async def _change(api: httpx.AsyncClient, tenant: Headers, made: dict[str, Any], **fields: Any) -> httpx.Response:
    return await api.patch(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant, json=fields)


async def _changed(api: httpx.AsyncClient, tenant: Headers, made: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Make a change that succeeds, and return the subscription afterwards."""
    answer = await _change(api, tenant, made, **fields)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    assert await _shown(api, tenant, made) == changed
    return changed


async def _shown(api: httpx.AsyncClient, tenant: Headers, made: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = (await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)).json()
    return shown


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("callback_url", "HTTPS://CRM.example.com:443/other", OTHER_URL),
        ("events", ["final", "call.ringing"], ["final", "call.ringing"]),
        ("metadata", {"stage": "won"}, {"stage": "won"}),
        ("metadata", {}, {}),
        ("paused", True, None),
    ],
)
async def test_what_is_named_changes_and_the_rest_stays(
    api: httpx.AsyncClient, tenant: Headers, field: str, value: object, shown: object
) -> None:
    made = await subscribe(api, tenant, metadata={"deal": "1"}, headers={"x-token": "t"}, events=["call.*"])

    changed = await _changed(api, tenant, made, **{field: value})

    expected = {"status": "paused"} if field == "paused" else {field: shown}
    assert changed == {**made, **expected, "updated_at": changed["updated_at"]}
    before, after = (parse_timestamp(one["updated_at"]) for one in (made, changed))
    assert before is not None
    assert after is not None
    assert after >= before


async def test_several_fields_change_at_once(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)

    changed = await _changed(
        api, tenant, made, callback_url=OTHER_URL, events=["final"], metadata={"deal": "2"}, paused=True
    )

    assert (changed["callback_url"], changed["events"]) == (OTHER_URL, ["final"])
    assert (changed["metadata"], changed["status"]) == ({"deal": "2"}, "paused")


async def test_nothing_asked_for_or_nothing_new_changes_nothing(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant, metadata={"deal": "1"}, events=["final"])

    assert await _changed(api, tenant, made) == made
    same = {"callback_url": CALLBACK_URL, "metadata": {"deal": "1"}, "events": ["final"], "paused": False}
    assert await _changed(api, tenant, made, **same) == made


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
async def test_the_body_may_be_called_a_merge_patch(api: httpx.AsyncClient, tenant: Headers, media_type: str) -> None:
    made = await subscribe(api, tenant)
    headers = {**tenant, "content-type": media_type}

    answer = await api.patch(f"{SUBSCRIPTIONS}/{made['id']}", headers=headers, content=b'{"paused": true}')

    assert (answer.status_code, answer.json()["status"]) == (200, "paused")


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
async def test_a_bad_field_is_named_and_nothing_changes(
    api: httpx.AsyncClient, tenant: Headers, field: str, value: object
) -> None:
    made = await subscribe(api, tenant)
    fields = {"metadata": {"deal": "2"}, "paused": True, field.partition(".")[0]: value}

    answer = await _change(api, tenant, made, **fields)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await _shown(api, tenant, made) == made


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"[" + b" " * 2_000_000 + b"]", "application/json", 413),
    ],
)
async def test_a_body_that_is_no_change_is_refused(
    api: httpx.AsyncClient, tenant: Headers, content: bytes, media_type: str, status: int
) -> None:
    made = await subscribe(api, tenant)
    headers = {**tenant, "content-type": media_type}

    answer = await api.patch(f"{SUBSCRIPTIONS}/{made['id']}", headers=headers, content=content)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_url_is_judged_as_at_registration(make_settings: MakeSettings) -> None:
    settings = make_settings(allow_http_callbacks=False, allow_private_callbacks=False, callback_ports="443")
    async with running(settings) as api:
        tenant = await new_tenant(api)
        made = await subscribe(api, tenant)
        for url in ("http://crm.example.com/", "https://127.0.0.1/", "https://crm.example.com:8443/"):
            answer = await _change(api, tenant, made, callback_url=url)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "callback_url")
        assert await _shown(api, tenant, made) == made


async def test_a_url_that_another_subscription_of_the_call_has_is_refused(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    made = await subscribe(api, tenant)
    other = await subscribe(api, tenant, callback_url=OTHER_URL)

    answer = await _change(api, tenant, made, callback_url=OTHER_URL, paused=True)

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:ringback:problem:conflict")
    assert await _shown(api, tenant, made) == made
    await api.delete(f"{SUBSCRIPTIONS}/{other['id']}", headers=tenant)
    assert (await _changed(api, tenant, made, callback_url=OTHER_URL))["callback_url"] == OTHER_URL


async def test_other_calls_and_other_tenants_do_not_stand_in_the_way_of_a_url(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    made = await subscribe(api, tenant)
    await subscribe(api, tenant, callback_url=OTHER_URL, call_sid="OUT-2")
    await subscribe(api, await new_tenant(api, name="other"), callback_url=OTHER_URL)

    assert (await _changed(api, tenant, made, callback_url=OTHER_URL))["callback_url"] == OTHER_URL


async def test_the_registration_moves_with_the_url(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)
    await _changed(api, tenant, made, callback_url=OTHER_URL)

    again = await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(callback_url=OTHER_URL))
    former = await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body())

    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    assert former.status_code == 201
    assert former.json()["id"] != made["id"]


async def test_registering_a_paused_one_again_leaves_it_paused(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)
    paused = await _changed(api, tenant, made, paused=True)

    again = await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body())

    assert (again.status_code, again.json()) == (200, paused)


async def test_a_paused_one_is_listed_as_such(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)
    await subscribe(api, tenant, callback_url=OTHER_URL)
    await _changed(api, tenant, made, paused=True)

    listed = (await api.get(SUBSCRIPTIONS, headers=tenant, params={"status": "paused"})).json()["items"]

    assert [one["id"] for one in listed] == [made["id"]]


async def test_a_deleted_one_cannot_be_changed(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)
    await api.delete(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)
    before = await _shown(api, tenant, made)

    for name, value in (("paused", False), ("metadata", {}), ("callback_url", CALLBACK_URL), ("events", ["final"])):
        answer = await _change(api, tenant, made, **{name: value})
        assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")

    assert await _changed(api, tenant, made) == before


async def test_pausing_wins_over_completed_until_it_is_resumed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    made = await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))

    paused = await _changed(api, tenant, made, paused=True)
    resumed = await _changed(api, tenant, made, paused=False)

    assert (paused["status"], paused["final_event"]) == ("paused", "call.completed")
    assert (resumed["status"], resumed["final_event"]) == ("completed", "call.completed")


async def test_resuming_rings_for_what_has_waited(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources, redis_url: str
) -> None:
    made = await subscribe(api, tenant)
    partition = resources.subscriptions.partition_of_call(CALL_SID)
    await _changed(api, tenant, made, paused=True)
    await poll(resources, partition, LIFE[:2])
    assert await claim(resources, partition) == []

    async with Redis.from_url(redis_url) as client:
        assert await client.zcard(DELIVER_QUEUE) == 0
        await _changed(api, tenant, made, paused=False)
        assert await client.bzpopmin(DELIVER_QUEUE, 10) is not None
    assert [one.member for one in await claim(resources, partition)] == [made["id"]]


async def test_changes_that_meet_lose_nothing(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant)
    fields: list[dict[str, Any]] = [
        {"callback_url": OTHER_URL},
        {"events": ["final"]},
        {"metadata": {"deal": "2"}},
        {"paused": True},
    ]

    await asyncio.gather(*(_change(api, tenant, made, **one) for one in fields))

    shown = await _shown(api, tenant, made)
    assert (shown["callback_url"], shown["events"]) == (OTHER_URL, ["final"])
    assert (shown["metadata"], shown["status"]) == ({"deal": "2"}, "paused")


async def test_another_tenants_subscription_is_answered_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    made = await subscribe(api, tenant)
    stranger = await new_tenant(api, name="stranger")

    changes: list[dict[str, Any]] = [{}, {"paused": True}, {"callback_url": CALLBACK_URL}]
    for fields in changes:
        theirs = await _change(api, stranger, made, **fields)
        never = await _change(api, stranger, {"id": "sub_0c1m842cp95qqrkphhnzx3"}, **fields)
        assert (theirs.status_code, theirs.content) == (404, never.content)

    assert await _shown(api, tenant, made) == made


async def test_what_is_sealed_survives_a_change_and_is_not_shown(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    made = await subscribe(api, tenant, secret=SECRET, headers={"authorization": "Basic bm9ib2R5"})

    answer = await _change(api, tenant, made, callback_url=OTHER_URL, metadata={"deal": "2"})

    kept = await resources.subscriptions.get(made["id"])
    assert kept is not None
    assert (kept.destination.secret, kept.destination.headers) == (SECRET, {"authorization": "Basic bm9ib2R5"})
    assert answer.json()["headers"] == {"authorization": "***"}
    for hidden in (SECRET, "bm9ib2R5"):
        assert hidden not in answer.text


async def test_the_document_tells_a_field_left_out_from_null(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    shape = document["components"]["schemas"]["SubscriptionChange"]
    assert set(shape["properties"]) == {"callback_url", "events", "metadata", "paused"}
    assert "required" not in shape
    assert shape["additionalProperties"] is False
    for described in shape["properties"].values():
        assert "default" not in described
        assert described["type"] in ("string", "array", "object", "boolean")
    answers = document["paths"]["/v1/subscriptions/{subscription_id}"]["patch"]["responses"]
    assert set(answers) == {"200", "400", "401", "404", "409", "413", "415", "422", "429", "500", "503"}
