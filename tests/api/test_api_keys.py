"""A tenant's API keys over REST: shown once, listed without secrets, revoked at once."""

from typing import Any

import httpx
import pytest

from app.store.api_keys import MAX_API_KEYS
from tests.api.client import ADMIN, SUBSCRIPTIONS, TENANTS, Headers, tenant_body

_UNKNOWN_TENANT = f"{TENANTS}/ten_1m842cp907q3yc2f95cq/api-keys"


@pytest.fixture
async def made(api: httpx.AsyncClient) -> dict[str, str]:
    created: dict[str, str] = (await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()
    return created


@pytest.fixture
def api_keys(made: dict[str, str]) -> str:
    """The address of the tenant's keys."""
    return f"{TENANTS}/{made['id']}/api-keys"


def _bearer(key: str) -> Headers:
    return {"Authorization": f"Bearer {key}"}


async def _another(api: httpx.AsyncClient, api_keys: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(api_keys, headers=ADMIN, json=body)
    assert answer.status_code == 201, answer.text
    new: dict[str, Any] = answer.json()
    return new


async def test_a_new_key_is_shown_once_and_opens_what_the_first_one_opens(
    api: httpx.AsyncClient, made: dict[str, str], api_keys: str
) -> None:
    answer = await api.post(api_keys, headers=ADMIN, json={"name": "  CRM, 2027 "})

    new = answer.json()
    assert answer.status_code == 201
    assert set(new) == {"id", "name", "api_key", "created_at", "last_used_at"}
    assert new["id"].startswith("key_")
    assert (new["name"], new["last_used_at"]) == ("CRM, 2027", None)
    assert answer.headers["location"] == f"{api_keys}/{new['id']}"
    assert answer.headers["cache-control"] == "no-store"
    for key in (made["api_key"], new["api_key"]):
        assert (await api.get(SUBSCRIPTIONS, headers=_bearer(key))).status_code == 200
    listed = await api.get(api_keys, headers=ADMIN)
    assert new["api_key"] not in listed.text
    assert made["api_key"] not in listed.text


async def test_a_key_needs_no_name(api: httpx.AsyncClient, api_keys: str) -> None:
    without_body = await api.post(api_keys, headers=ADMIN)

    assert without_body.status_code == 201
    assert without_body.json()["name"] == (await _another(api, api_keys))["name"] == "unnamed"


async def test_the_list_tells_which_keys_are_used(api: httpx.AsyncClient, made: dict[str, str], api_keys: str) -> None:
    new = await _another(api, api_keys, name="never used")
    await api.get(SUBSCRIPTIONS, headers=_bearer(made["api_key"]))

    listed = (await api.get(api_keys, headers=ADMIN)).json()

    first, second = sorted(listed["items"], key=lambda one: str(one["name"]))
    assert (first["name"], second["name"]) == ("default", "never used")
    assert first["last_used_at"].endswith("Z")
    assert second == {name: value for name, value in new.items() if name != "api_key"}
    assert listed["next_cursor"] is None


async def test_pages_hold_every_key_once(api: httpx.AsyncClient, api_keys: str) -> None:
    made = [(await _another(api, api_keys))["id"] for _ in range(4)]

    shown: list[str] = []
    cursor = None
    while cursor is not None or not shown:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(api_keys, headers=ADMIN, params=query)).json()
        shown += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]

    assert len(shown) == 5
    assert shown == sorted(shown)
    assert set(made) < set(shown)


async def test_a_revoked_key_opens_nothing_from_that_moment_on(
    api: httpx.AsyncClient, made: dict[str, str], api_keys: str
) -> None:
    new = await _another(api, api_keys)
    assert (await api.get(SUBSCRIPTIONS, headers=_bearer(new["api_key"]))).status_code == 200

    answer = await api.delete(f"{api_keys}/{new['id']}", headers=ADMIN)

    assert (answer.status_code, answer.content) == (204, b"")
    refused = await api.get(SUBSCRIPTIONS, headers=_bearer(new["api_key"]))
    unknown = await api.get(SUBSCRIPTIONS, headers=_bearer(f"rbk_{'0' * 40}_{'A' * 43}"))
    assert (refused.status_code, refused.json()) == (401, unknown.json())
    assert (await api.get(SUBSCRIPTIONS, headers=_bearer(made["api_key"]))).status_code == 200
    assert (await api.delete(f"{api_keys}/{new['id']}", headers=ADMIN)).status_code == 404


async def test_another_tenants_key_is_not_found(api: httpx.AsyncClient, made: dict[str, str], api_keys: str) -> None:
    other = (await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()
    [theirs] = (await api.get(f"{TENANTS}/{other['id']}/api-keys", headers=ADMIN)).json()["items"]

    assert (await api.delete(f"{api_keys}/{theirs['id']}", headers=ADMIN)).status_code == 404
    assert (await api.get(SUBSCRIPTIONS, headers=_bearer(other["api_key"]))).status_code == 200
    assert made["id"] != other["id"]


async def test_an_unknown_tenant_has_no_keys(api: httpx.AsyncClient) -> None:
    assert (await api.post(_UNKNOWN_TENANT, headers=ADMIN, json={})).status_code == 404
    assert (await api.get(_UNKNOWN_TENANT, headers=ADMIN)).status_code == 404
    assert (await api.delete(f"{_UNKNOWN_TENANT}/key_1m842cp907q3yc2f95cq", headers=ADMIN)).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"), [({"name": ""}, "name"), ({"name": None}, "name"), ({"scope": "all"}, "scope")]
)
async def test_a_bad_field_is_named(api: httpx.AsyncClient, api_keys: str, body: dict[str, Any], field: str) -> None:
    answer = await api.post(api_keys, headers=ADMIN, json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_too_many_keys_are_a_conflict(api: httpx.AsyncClient, api_keys: str) -> None:
    for _ in range(MAX_API_KEYS - 1):
        await _another(api, api_keys)

    answer = await api.post(api_keys, headers=ADMIN, json={})

    assert answer.status_code == 409
    assert str(MAX_API_KEYS) in answer.json()["detail"]
