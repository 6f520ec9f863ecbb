"""Signing secrets over REST."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from app.domain.signing import secret_key
from tests.api.client import ADMIN, TENANTS, Headers, new_tenant, tenant_body

SECRETS = "/v1/signing-secrets"
ROTATE = f"{SECRETS}/rotate"


def seconds(one: dict[str, Any], other: dict[str, Any]) -> float:
    """How long after the making of `other` the secret `one` ends."""
    ends, made = (datetime.fromisoformat(text) for text in (one["expires_at"], other["created_at"]))
    return (ends - made).total_seconds()


async def test_a_tenant_begins_with_the_secret_it_was_shown(api: httpx.AsyncClient) -> None:
    made = (await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()
    tenant = {"Authorization": f"Bearer {made['api_key']}"}

    answer = await api.get(SECRETS, headers=tenant)

    assert answer.status_code == 200
    [only] = answer.json()["items"]
    assert set(only) == {"id", "hint", "created_at", "expires_at"}
    assert only["expires_at"] is None
    assert made["signing_secret"].rstrip("=").endswith(only["hint"])
    assert answer.json()["next_cursor"] is None
    assert made["signing_secret"] not in answer.text


async def test_a_rotation_shows_the_new_one_once_and_says_until_when_the_old_one_signs(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    [first] = (await api.get(SECRETS, headers=tenant)).json()["items"]

    answer = await api.post(ROTATE, headers=tenant, json={"overlap_seconds": 3600})

    new = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert len(secret_key(new["signing_secret"])) == 32
    [old] = new["previous"]
    assert old["id"] == first["id"]
    assert seconds(old, new) == pytest.approx(3600, abs=0.01)
    listed = await api.get(SECRETS, headers=tenant)
    assert [one["id"] for one in listed.json()["items"]] == [new["id"], old["id"]]
    assert listed.json()["items"][1] == old
    assert new["signing_secret"] not in listed.text


@pytest.mark.parametrize("said", [{}, {"json": {}}])
async def test_the_overlap_is_a_day_unless_it_is_said(
    api: httpx.AsyncClient, tenant: Headers, said: dict[str, Any]
) -> None:
    new = (await api.post(ROTATE, headers=tenant, **said)).json()
    assert seconds(new["previous"][0], new) == pytest.approx(86400, abs=0.01)


async def test_without_an_overlap_the_old_ones_end_at_once(api: httpx.AsyncClient, tenant: Headers) -> None:
    await api.post(ROTATE, headers=tenant)

    new = (await api.post(ROTATE, headers=tenant, json={"overlap_seconds": 0})).json()

    assert new["previous"] == []
    assert [one["id"] for one in (await api.get(SECRETS, headers=tenant)).json()["items"]] == [new["id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"overlap_seconds": 30 * 86400 + 1}, "overlap_seconds"),
        ({"overlap_seconds": "60"}, "overlap_seconds"),
        ({"overlap_seconds": True}, "overlap_seconds"),
        ({"overlap_seconds": None}, "overlap_seconds"),
        ({"overlap": 60}, "overlap"),
    ],
)
async def test_a_bad_overlap_is_refused_and_nothing_is_rotated(
    api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any], field: str
) -> None:
    answer = await api.post(ROTATE, headers=tenant, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len((await api.get(SECRETS, headers=tenant)).json()["items"]) == 1


async def test_a_sixth_secret_is_refused_until_there_is_room(api: httpx.AsyncClient, tenant: Headers) -> None:
    for _ in range(4):
        assert (await api.post(ROTATE, headers=tenant)).status_code == 200

    refused = await api.post(ROTATE, headers=tenant)

    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:ringback:problem:conflict"
    assert len((await api.get(SECRETS, headers=tenant)).json()["items"]) == 5
    assert (await api.post(ROTATE, headers=tenant, json={"overlap_seconds": 0})).status_code == 200


async def test_each_tenant_has_its_own(api: httpx.AsyncClient, tenant: Headers) -> None:
    other = await new_tenant(api)
    before = (await api.get(SECRETS, headers=other)).json()

    await api.post(ROTATE, headers=tenant)

    assert (await api.get(SECRETS, headers=other)).json() == before


@pytest.mark.parametrize(("method", "path"), [("GET", SECRETS), ("POST", ROTATE)])
@pytest.mark.parametrize("headers", [{}, ADMIN])
async def test_without_a_tenants_key_nothing_is_shown_or_done(
    api: httpx.AsyncClient, method: str, path: str, headers: Headers
) -> None:
    assert (await api.request(method, path, headers=headers)).status_code == 401
