"""A tenant reads itself: what the operator set for it, and none of its credentials."""

from typing import Any

import httpx

from app.resources import Resources
from tests.api.client import ADMIN, TENANTS, Headers, tenant_body
from tests.builders import ACCOUNT, CONNECTOR, PROJECT

OWN = "/v1/tenant"


async def made(api: httpx.AsyncClient, **fields: Any) -> tuple[dict[str, Any], Headers]:
    """Make a tenant; return what is shown once, and the headers with which it is known."""
    shown: dict[str, Any] = (await api.post(TENANTS, headers=ADMIN, json=tenant_body(**fields))).json()
    return shown, {"Authorization": f"Bearer {shown['api_key']}"}


async def test_a_tenant_learns_what_the_operator_sees_of_it(api: httpx.AsyncClient) -> None:
    new, tenant = await made(api, name="CRM, production", quotas={"max_active_subscriptions": 50_000})

    own = await api.get(OWN, headers=tenant)

    assert own.status_code == 200
    assert own.json() == (await api.get(f"{TENANTS}/{new['id']}", headers=ADMIN)).json()
    told = own.json()
    assert told.pop("created_at").endswith("Z")
    assert told == {
        "id": new["id"],
        "name": "CRM, production",
        "account_id": ACCOUNT,
        "project_id": PROJECT,
        "quotas": {
            "max_active_subscriptions": 50_000,
            "max_subscriptions_per_call": None,
            "requests_per_second": None,
        },
    }


async def test_it_holds_no_secret(api: httpx.AsyncClient, resources: Resources) -> None:
    new, tenant = await made(api)
    stored = await resources.tenants.get(new["id"])
    assert stored is not None

    told = (await api.get(OWN, headers=tenant)).text

    for secret in (CONNECTOR, new["api_key"], new["signing_secret"], stored.signing_secrets[0].hint):
        assert secret not in told


async def test_a_change_is_seen_at_once(api: httpx.AsyncClient) -> None:
    new, tenant = await made(api)
    assert (await api.get(OWN, headers=tenant)).json()["name"] == "CRM"

    await api.patch(f"{TENANTS}/{new['id']}", headers=ADMIN, json={"name": "other"})

    assert (await api.get(OWN, headers=tenant)).json()["name"] == "other"


async def test_there_is_nothing_to_ask_for(api: httpx.AsyncClient, tenant: Headers) -> None:
    answer = await api.get(OWN, headers=tenant, params={"tenant_id": "ten_1m842cp907q3yc2f95cq"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tenant_id"
