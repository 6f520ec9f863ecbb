"""Tenants over REST: with the admin key only, and secrets shown once."""

from typing import Any

import httpx
import pytest

from app.domain.signing import secret_key
from tests.api.client import ADMIN, SUBSCRIPTIONS, TENANTS, Headers, new_tenant, running, tenant_body
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ADMIN_KEY, MakeSettings


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
    assert shown == {"id": made["id"], "name": "CRM", "account_id": ACCOUNT, "project_id": PROJECT}
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
    ],
)
async def test_a_bad_field_is_named_and_nothing_is_made(api: httpx.AsyncClient, field: str, value: Any) -> None:
    answer = await api.post(TENANTS, headers=ADMIN, json=tenant_body(**{field: value}))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.get(TENANTS, headers=ADMIN)).json()["items"] == []


@pytest.mark.parametrize("unknown", ["ten_1m842cp907q3yc2f95cq", "nonsense", "ten_%00"])
async def test_an_unknown_tenant_is_not_found(api: httpx.AsyncClient, unknown: str) -> None:
    assert (await api.get(f"{TENANTS}/{unknown}", headers=ADMIN)).status_code == 404


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {ADMIN_KEY}", "Bearer wrong", f"Bearer {ADMIN_KEY}x", "Bearer schlüssel"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", TENANTS), ("GET", TENANTS), ("GET", f"{TENANTS}/ten_1")])
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
