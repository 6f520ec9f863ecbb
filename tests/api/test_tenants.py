"""Tenants over REST: with the admin key only, and secrets shown once."""

from typing import Any

import httpx
import pytest

from app.domain.signing import secret_key
from app.resources import Resources
from app.store.departures import Departures
from tests.api.client import ADMIN, SUBSCRIPTIONS, TENANTS, Headers, new_tenant, running, subscribe, tenant_body
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ADMIN_KEY, MakeSettings
from tests.peers import eventually
from tests.store.making import read, register


def _quotas(**bounds: int) -> dict[str, int | None]:
    unbounded = dict.fromkeys(("max_active_subscriptions", "max_subscriptions_per_call", "requests_per_second"))
    return {**unbounded, **bounds}


async def _made(api: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await api.post(TENANTS, headers=ADMIN, json=tenant_body(**fields))).json()
    return made


async def _change(api: httpx.AsyncClient, tenant_id: str, body: dict[str, Any]) -> httpx.Response:
    return await api.patch(f"{TENANTS}/{tenant_id}", headers=ADMIN, json=body)


async def test_a_new_tenant_gets_a_key_that_works_and_a_signing_secret(api: httpx.AsyncClient) -> None:
    answer = await api.post(TENANTS, headers=ADMIN, json=tenant_body(name="  CRM, Zürich  "))

    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == {"id", "name", "api_key", "signing_secret"}
    assert made["id"].startswith("ten_")
    assert made["name"] == "CRM, Zürich"
    assert len(secret_key(made["signing_secret"])) == 32
    assert answer.headers["location"] == f"{TENANTS}/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    own = {"Authorization": f"Bearer {made['api_key']}"}
    assert (await api.get(SUBSCRIPTIONS, headers=own)).status_code == 200


async def test_its_secrets_are_shown_once(api: httpx.AsyncClient) -> None:
    made = (await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()

    one = await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)
    listed = await api.get(TENANTS, headers=ADMIN)

    shown = one.json()
    created_at = shown.pop("created_at")
    assert created_at.endswith("Z")
    assert shown == {
        "id": made["id"],
        "name": "CRM",
        "account_id": ACCOUNT,
        "project_id": PROJECT,
        "quotas": _quotas(),
    }
    assert listed.json() == {"items": [one.json()], "next_cursor": None}
    for text in (one.text, listed.text):
        for hidden in (made["api_key"], made["signing_secret"], CONNECTOR):
            assert hidden not in text


async def test_pages_hold_every_tenant_once_the_oldest_first(api: httpx.AsyncClient) -> None:
    made = [(await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()["id"] for _ in range(5)]

    shown: list[str] = []
    cursor = None
    while cursor is not None or not shown:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(TENANTS, headers=ADMIN, params=query)).json()
        shown += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]

    assert shown == sorted(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", 7),
        ("account_id", "with space"),
        ("project_id", "é"),
        ("connector_id", ""),
        ("connector_id", None),
        ("quota", 7),
        ("quotas", None),
        ("quotas", 7),
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_made(api: httpx.AsyncClient, field: str, value: Any) -> None:
    answer = await api.post(TENANTS, headers=ADMIN, json=tenant_body(**{field: value}))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.get(TENANTS, headers=ADMIN)).json()["items"] == []


async def test_quotas_are_shown_as_they_were_set(api: httpx.AsyncClient) -> None:
    made = await _made(api, quotas={"max_active_subscriptions": 100, "requests_per_second": 20})

    shown = (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).json()

    assert shown["quotas"] == _quotas(max_active_subscriptions=100, requests_per_second=20)


async def test_what_is_left_out_of_a_change_stays_as_it_is(api: httpx.AsyncClient) -> None:
    made = await _made(api, quotas={"max_active_subscriptions": 100, "max_subscriptions_per_call": 3})
    before = (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).json()

    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"name": "  Other "}, {"name": "Other"}),
        ({"account_id": "acc-2", "project_id": "proj-2"}, {"account_id": "acc-2", "project_id": "proj-2"}),
        ({"connector_id": "connector-2"}, {}),
        ({"quotas": {}}, {}),
        (
            {"quotas": {"max_active_subscriptions": None, "requests_per_second": 1000}},
            {"quotas": _quotas(max_subscriptions_per_call=3, requests_per_second=1000)},
        ),
    ]
    for change, after in changes:
        answer = await _change(api, made["id"], change)
        before |= after
        assert (answer.status_code, answer.json()) == (200, before)
        assert "connector-2" not in answer.text
    assert (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).json() == before


async def test_new_credentials_are_those_of_the_next_subscription(api: httpx.AsyncClient) -> None:
    made = await _made(api)
    own = {"Authorization": f"Bearer {made['api_key']}"}
    first = await subscribe(api, own, call_sid="OUT-1")

    await _change(api, made["id"], {"account_id": "acc-2"})

    assert (await subscribe(api, own, call_sid="OUT-2"))["account_id"] == "acc-2"
    assert (await api.get(f"{SUBSCRIPTIONS}/{first['id']}", headers=own)).json()["account_id"] == ACCOUNT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"account_id": "with space"}, "account_id"),
        ({"connector_id": None}, "connector_id"),
        ({"id": "ten_1m842cp907q3yc2f95cq"}, "id"),
        ({"quotas": None}, "quotas"),
        ({"quotas": {"requests_per_second": 0}}, "quotas.requests_per_second"),
        ({"quotas": {"requests_per_second": 1.5}}, "quotas.requests_per_second"),
        ({"quotas": {"requests_per_second": True}}, "quotas.requests_per_second"),
        ({"quotas": {"max_active_subscriptions": -1}}, "quotas.max_active_subscriptions"),
        ({"quotas": {"max_subscriptions_per_call": "3"}}, "quotas.max_subscriptions_per_call"),
        ({"quotas": {"subscriptions": 3}}, "quotas.subscriptions"),
    ],
)
async def test_a_bad_change_is_named_and_nothing_is_changed(
    api: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    made = await _made(api)
    before = (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).json()

    answer = await _change(api, made["id"], {"account_id": "acc-2"} | change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).json() == before


async def test_a_deleted_tenant_is_gone_and_its_subscriptions_are_cancelled(
    api: httpx.AsyncClient, resources: Resources
) -> None:
    made = await _made(api)
    own = {"Authorization": f"Bearer {made['api_key']}"}
    subscription = await subscribe(api, own)
    other = await new_tenant(api)
    theirs = await subscribe(api, other)

    answer = await api.delete(f"{TENANTS}/{made['id']}", headers=ADMIN)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get(SUBSCRIPTIONS, headers=own)).status_code == 401
    assert (await api.get(f"{TENANTS}/{made['id']}", headers=ADMIN)).status_code == 404
    assert made["id"] not in (await api.get(TENANTS, headers=ADMIN)).text
    assert (await _change(api, made["id"], {"name": "back"})).status_code == 404
    kept = await resources.subscriptions.get(subscription["id"])
    assert kept is not None
    assert kept.status == "cancelled"
    assert (await api.get(f"{SUBSCRIPTIONS}/{theirs['id']}", headers=other)).json()["status"] == "active"
    assert (await api.delete(f"{TENANTS}/{made['id']}", headers=ADMIN)).status_code == 204


async def test_a_deletion_that_was_left_unfinished_is_finished_by_the_next_process(
    make_settings: MakeSettings, resources: Resources
) -> None:
    new = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)
    one = await register(resources, tenant_id=new.tenant.id)
    assert await Departures(resources.ledger, resources.subscriptions, 4).begin(new.tenant.id)

    async def cancelled() -> bool:
        return (await read(resources, one.id)).status == "cancelled"

    async with running(make_settings()):
        await eventually(cancelled, "the subscription is cancelled")


@pytest.mark.parametrize("unknown", ["ten_1m842cp907q3yc2f95cq", "nonsense", "ten_%00"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_tenant_is_not_found(api: httpx.AsyncClient, method: str, unknown: str) -> None:
    body = {"name": "CRM"} if method == "PATCH" else None

    assert (await api.request(method, f"{TENANTS}/{unknown}", headers=ADMIN, json=body)).status_code == 404


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {ADMIN_KEY}", "Bearer wrong", f"Bearer {ADMIN_KEY}x", "Bearer schlüssel"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TENANTS),
        ("GET", TENANTS),
        ("GET", f"{TENANTS}/ten_1"),
        ("PATCH", f"{TENANTS}/ten_1"),
        ("DELETE", f"{TENANTS}/ten_1"),
        ("POST", f"{TENANTS}/ten_1/api-keys"),
        ("GET", f"{TENANTS}/ten_1/api-keys"),
        ("DELETE", f"{TENANTS}/ten_1/api-keys/key_1"),
    ],
)
async def test_without_the_admin_key_nothing_is_done(
    api: httpx.AsyncClient, method: str, path: str, authorization: str | None
) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]

    answer = await api.request(method, path, headers=headers, json=tenant_body() if method == "POST" else None)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:ringback:problem:unauthorized"
    assert (await api.get(TENANTS, headers=ADMIN)).json()["items"] == []


async def test_a_tenants_key_is_no_admin_key_and_the_other_way_round(api: httpx.AsyncClient, tenant: Headers) -> None:
    assert (await api.get(TENANTS, headers=tenant)).status_code == 401
    assert (await api.get(SUBSCRIPTIONS, headers=ADMIN)).status_code == 401


async def test_an_empty_admin_key_opens_nothing(make_settings: MakeSettings) -> None:
    async with running(make_settings(admin_key="")) as api:
        for headers in ({}, {"Authorization": "Bearer "}, ADMIN):
            assert (await api.get(TENANTS, headers=headers)).status_code == 401


def _forged(key: str, other: str) -> list[str]:
    return [
        "",
        "rbk_",
        key[:-1],
        f"{key}x",
        key.upper(),
        key.removeprefix("rbk_"),
        # One tenant's key by name, with another's chance.
        f"{key.rpartition('_')[0]}_{other.split('_', 2)[2]}",
        key.split("_", 2)[0] + "_" + key.split("_", 2)[1] + "_",
        "rbk_nobody_" + key.split("_", 2)[2],
        "rbk_\xe9_\xe9",
    ]


async def test_only_the_very_key_opens_what_is_a_tenants(api: httpx.AsyncClient) -> None:
    keys = [(await new_tenant(api))["Authorization"].removeprefix("Bearer ") for _ in range(2)]

    for forged in _forged(keys[0], keys[1]):
        headers = [(b"authorization", f"Bearer {forged}".encode("latin-1"))]
        for path in (SUBSCRIPTIONS, f"{SUBSCRIPTIONS}/sub_1", "/v1/calls/OUT-1"):
            answer = await api.get(path, headers=headers)
            assert answer.status_code == 401, forged
            assert answer.headers["www-authenticate"] == "Bearer"
    right = {"Authorization": f"bearer {keys[0]}"}
    assert (await api.get(SUBSCRIPTIONS, headers=right)).status_code == 200
