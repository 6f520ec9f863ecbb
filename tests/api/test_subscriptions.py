"""Subscriptions over REST: made, found again, read and deleted."""

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.domain.timestamps import parse_timestamp
from app.queue import DELIVER_QUEUE, POLL_QUEUE
from app.resources import Resources
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant, running, subscribe, subscription_body
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, PROJECT
from tests.conftest import MakeSettings
from tests.store.polling import poll

SECRET = "whsec_" + "c2VjcmV0LW9mLW9uZS1zdWJzY3JpcHRpb24="
BAD_FIELDS: list[tuple[str, Any]] = [
    ("call_sid", "CA-550e8400"),
    ("call_sid", "OUT-../../secrets"),
    ("call_sid", 7),
    ("call_sid", None),
    ("callback_url", "ftp://crm.example.com/hooks"),
    ("callback_url", "https://crm.example.com/hooks#part"),
    ("callback_url", ["https://crm.example.com/hooks"]),
    ("events", []),
    ("events", ["completed"]),
    ("events", "final"),
    ("metadata", {f"key{number}": "value" for number in range(21)}),
    ("metadata", {"deal": "x" * 501}),
    ("metadata", ["deal"]),
    ("metadata.deal", {"deal": 4711}),
    ("metadata.deal", {"deal": {"id": "4711"}}),
    ("secret", "whsec_dG9vIHNob3J0"),
    ("secret", "no prefix"),
    ("headers", {"content-type": "text/plain"}),
    ("headers", {"webhook-signature": "v1,forged"}),
    ("headers", {"authorization": "two\r\nlines"}),
    ("headers", {f"x-{number}": "value" for number in range(11)}),
    ("account_id", "with space"),
    ("project_id", ".."),
    ("connector_id", ""),
    ("connector_id", "line\nbreak"),
    ("paused", True),
]


async def _rung(redis_url: str, queue: str) -> bool:
    """Wait for a doorbell, and tell whether there was one."""
    async with Redis.from_url(redis_url) as client:
        return await client.bzpopmin(queue, 10) is not None


async def test_a_new_subscription_is_shown_and_can_be_read_where_it_says(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    body = subscription_body(events=["call.completed", "final"], metadata={"deal": "4711", "ü": "ß"})

    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json=body)

    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{SUBSCRIPTIONS}/{made['id']}"
    assert made == {
        "id": made["id"],
        "call_sid": CALL_SID,
        "account_id": ACCOUNT,
        "project_id": PROJECT,
        "callback_url": CALLBACK_URL,
        "events": ["call.completed", "final"],
        "metadata": {"deal": "4711", "ü": "ß"},
        "headers": {},
        "status": "active",
        "final_event": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert made["id"].startswith("sub_")
    assert parse_timestamp(made["created_at"]) is not None
    assert made["created_at"].endswith("Z")
    assert (await api.get(answer.headers["location"], headers=tenant)).json() == made


async def test_the_same_call_and_url_again_finds_the_one_that_is_there(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(api, tenant, metadata={"deal": "1"})
    again = subscription_body(callback_url="HTTPS://CRM.example.com:443/hooks", metadata={"deal": "2"})

    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json=again)

    assert (answer.status_code, answer.json()) == (200, made)
    assert "location" not in answer.headers
    listed = (await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]


async def test_another_url_call_or_account_is_another_subscription(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = [
        await subscribe(api, tenant),
        await subscribe(api, tenant, callback_url=f"{CALLBACK_URL}/other"),
        await subscribe(api, tenant, call_sid="OUT-2"),
        await subscribe(api, tenant, account_id="account-2", project_id="project-2", connector_id="connector-2"),
    ]

    assert len({one["id"] for one in made}) == 4
    assert (made[3]["account_id"], made[3]["project_id"]) == ("account-2", "project-2")


async def test_what_is_null_is_left_out(api: httpx.AsyncClient, tenant: Headers) -> None:
    nothing = dict.fromkeys(
        ("events", "metadata", "secret", "headers", "account_id", "project_id", "connector_id"),
    )

    made = await subscribe(api, tenant, **nothing)

    assert made["events"] == ["call.*"]
    assert (made["metadata"], made["headers"], made["account_id"]) == ({}, {}, ACCOUNT)


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
async def test_a_bad_field_is_named(api: httpx.AsyncClient, tenant: Headers, field: str, value: object) -> None:
    body = subscription_body(**{field.partition(".")[0]: value})

    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:ringback:problem:invalid-request"
    assert [error["field"] for error in problem["errors"]] == [field]
    assert all(error["message"] for error in problem["errors"])
    assert (await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"] == []


async def test_every_missing_field_is_named_at_once(api: httpx.AsyncClient, tenant: Headers) -> None:
    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json={"callbackUrl": CALLBACK_URL})

    errors = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert answer.status_code == 422
    assert errors == {
        "call_sid": "This is required.",
        "callback_url": "This is required.",
        "callbackUrl": "There is no such field.",
    }


async def test_http_and_private_addresses_are_refused_unless_the_settings_allow_them(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(allow_http_callbacks=False, allow_private_callbacks=False, callback_ports="443")
    async with running(settings) as api:
        tenant = await new_tenant(api)
        for url in ("http://crm.example.com/", "https://127.0.0.1/", "https://crm.example.com:8443/"):
            answer = await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(callback_url=url))
            assert answer.status_code == 422, url
            assert answer.json()["errors"][0]["field"] == "callback_url"
        assert (await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body())).status_code == 201


async def test_secrets_headers_and_connectors_are_never_shown(api: httpx.AsyncClient, tenant: Headers) -> None:
    made = await subscribe(
        api,
        tenant,
        secret=SECRET,
        headers={"Authorization": "Basic bm9ib2R5", "X-Token": "token-of-the-receiver"},
        connector_id="another-connector",
    )
    refused = await api.post(
        SUBSCRIPTIONS,
        headers=tenant,
        json=subscription_body(secret=[SECRET], connector_id=["another-connector"], headers={"host": "bm9ib2R5"}),
    )
    answers = [
        await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant),
        await api.get(SUBSCRIPTIONS, headers=tenant),
        await api.post(SUBSCRIPTIONS, headers=tenant, json=subscription_body(connector_id="another-connector")),
        await api.get(f"/v1/calls/{CALL_SID}", headers=tenant),
        refused,
    ]

    assert made["headers"] == {"authorization": "***", "x-token": "***"}
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 422]
    for text in (str(made), *(answer.text for answer in answers)):
        for hidden in (SECRET, "bm9ib2R5", "token-of-the-receiver", "another-connector", CONNECTOR):
            assert hidden not in text


async def test_a_deleted_subscription_stays_readable_and_can_be_deleted_again(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    made = await subscribe(api, tenant)
    path = f"{SUBSCRIPTIONS}/{made['id']}"

    first = await api.delete(path, headers=tenant)
    second = await api.delete(path, headers=tenant)

    assert (first.status_code, first.content) == (204, b"")
    assert second.status_code == 204
    assert (await api.get(path, headers=tenant)).json()["status"] == "cancelled"
    assert (await subscribe(api, tenant))["id"] != made["id"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_tenants_subscription_is_answered_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers, method: str
) -> None:
    made = await subscribe(api, tenant)
    stranger = await new_tenant(api, name="stranger")
    never = ["sub_0c1m842cp95qqrkphhnzx3", "sub_zz1m842cp95qqrkphhnzx3", "sub_", "nonsense", "sub_%00"]

    theirs = await api.request(method, f"{SUBSCRIPTIONS}/{made['id']}", headers=stranger)

    assert theirs.status_code == 404
    for unknown in never:
        answer = await api.request(method, f"{SUBSCRIPTIONS}/{unknown}", headers=stranger)
        assert (answer.status_code, answer.content) == (404, theirs.content)
    assert (await api.get(SUBSCRIPTIONS, headers=stranger)).json() == {"items": [], "next_cursor": None}
    assert (await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)).json() == made


async def test_two_tenants_subscribe_to_one_call_without_seeing_each_other(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    other = await new_tenant(api, name="other")

    mine, theirs = await subscribe(api, tenant), await subscribe(api, other)

    assert mine["id"] != theirs["id"]
    for headers, own in ((tenant, mine), (other, theirs)):
        listed = (await api.get(SUBSCRIPTIONS, headers=headers, params={"call_sid": CALL_SID})).json()
        assert [one["id"] for one in listed["items"]] == [own["id"]]


async def test_registering_rings_for_the_first_poll(api: httpx.AsyncClient, tenant: Headers, redis_url: str) -> None:
    await subscribe(api, tenant)

    assert await _rung(redis_url, POLL_QUEUE)


async def test_an_ended_call_is_delivered_at_once_and_its_subscription_is_completed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources, redis_url: str
) -> None:
    first = await subscribe(api, tenant)
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID))

    late = await subscribe(api, tenant, callback_url=f"{CALLBACK_URL}/late")

    assert (late["status"], late["final_event"]) == ("completed", "call.completed")
    assert (await api.get(f"{SUBSCRIPTIONS}/{first['id']}", headers=tenant)).json()["status"] == "completed"
    assert await _rung(redis_url, DELIVER_QUEUE)
