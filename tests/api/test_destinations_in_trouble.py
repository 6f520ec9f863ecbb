"""The destinations in trouble over REST: a tenant's own, and all of them for the operator."""

from typing import Any

import httpx
import pytest

from app.domain.breaker import FAILURES_TO_OPEN, breaker_name
from app.domain.timestamps import unix_seconds
from app.resources import Resources
from app.store.breakers import BreakerStore
from tests.api.client import ADMIN, TENANTS, Headers, new_tenant
from tests.api.refusals import refused

OWN, ALL = "/v1/destinations", "/v1/admin/destinations"
CRM, ERP = "https://crm.example.com:443", "https://erp.example.com:8443"
COOLDOWN = 50.0


async def id_of(api: httpx.AsyncClient, tenant: Headers) -> str:
    one: str = (await api.get("/v1/tenant", headers=tenant)).json()["id"]
    return one


async def fail(resources: Resources, tenant_id: str, destination: str, error: str = "503", times: int = 1) -> None:
    breakers = BreakerStore(resources.ledger, (COOLDOWN,), timeout_seconds=15.0)
    for _ in range(times):
        await breakers.failed(breaker_name(tenant_id, destination), error, probe=False)


async def listed(api: httpx.AsyncClient, headers: Headers, path: str = OWN, **query: Any) -> dict[str, Any]:
    answer = await api.get(path, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_there_are_none_while_all_is_well(api: httpx.AsyncClient, tenant: Headers) -> None:
    nothing: dict[str, Any] = {"items": [], "next_cursor": None}

    assert await listed(api, tenant) == nothing
    assert await listed(api, ADMIN, ALL) == nothing


async def test_each_tells_how_it_stands(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    tenant_id = await id_of(api, tenant)
    await fail(resources, tenant_id, CRM, "timeout", FAILURES_TO_OPEN)
    await fail(resources, tenant_id, ERP)

    found = {one["destination"]: one for one in (await listed(api, tenant))["items"]}

    assert found.keys() == {CRM, ERP}
    since = {one: found[one].pop("failing_since") for one in found}
    open_until = found[CRM].pop("open_until")
    assert found == {
        CRM: {"destination": CRM, "state": "open", "failures": FAILURES_TO_OPEN, "last_error": "timeout"},
        ERP: {"destination": ERP, "state": "failing", "failures": 1, "last_error": "503", "open_until": None},
    }
    began, ends = unix_seconds(since[CRM]), unix_seconds(open_until)
    assert began is not None
    assert ends is not None
    assert ends - began == pytest.approx(COOLDOWN, abs=10.0)


async def test_one_that_may_be_tried_again_is_probed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    tenant_id = await id_of(api, tenant)
    await fail(resources, tenant_id, CRM, times=FAILURES_TO_OPEN)
    await resources.breakers.hasten(breaker_name(tenant_id, CRM))

    [found] = (await listed(api, tenant))["items"]

    assert (found["state"], found["open_until"]) == ("probing", None)


async def test_the_operator_sees_whose_each_is(api: httpx.AsyncClient, resources: Resources) -> None:
    crm, erp = [await new_tenant(api, name=name) for name in ("CRM", "ERP")]
    ids = [await id_of(api, one) for one in (crm, erp)]
    for tenant_id in ids:
        await fail(resources, tenant_id, CRM)

    everybodys = (await listed(api, ADMIN, ALL))["items"]

    assert {(one["tenant_id"], one["tenant_name"], one["destination"]) for one in everybodys} == {
        (ids[0], "CRM", CRM),
        (ids[1], "ERP", CRM),
    }
    for whose, tenant_id in ((crm, ids[0]), (erp, ids[1])):
        [own] = (await listed(api, whose))["items"]
        named = {"tenant_id": tenant_id, "tenant_name": {ids[0]: "CRM", ids[1]: "ERP"}[tenant_id]}
        assert own | named in everybodys


async def test_a_tenant_that_has_been_deleted_has_no_name(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    tenant_id = await id_of(api, tenant)
    await fail(resources, tenant_id, CRM)
    assert (await api.delete(f"{TENANTS}/{tenant_id}", headers=ADMIN)).status_code == 204

    [found] = (await listed(api, ADMIN, ALL))["items"]

    assert (found["tenant_id"], found["tenant_name"]) == (tenant_id, None)


@pytest.mark.parametrize("path", [OWN, ALL])
async def test_they_come_in_pages(api: httpx.AsyncClient, tenant: Headers, resources: Resources, path: str) -> None:
    tenant_id = await id_of(api, tenant)
    hosts = [f"https://crm-{number}.example.com:443" for number in range(5)]
    for one in hosts:
        await fail(resources, tenant_id, one)
    headers = tenant if path == OWN else ADMIN

    pages = [await listed(api, headers, path, limit=2)]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(await listed(api, headers, path, limit=2, cursor=cursor))
    found = [one["destination"] for page in pages for one in page["items"]]

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert sorted(found) == hosts


@pytest.mark.parametrize("path", [OWN, ALL])
@pytest.mark.parametrize("query", [{"cursor": "nonsense"}, {"cursor": "MTIz"}, {"limit": "201"}, {"state": "open"}])
async def test_a_query_that_cannot_be_read_is_refused(
    api: httpx.AsyncClient, tenant: Headers, path: str, query: dict[str, str]
) -> None:
    answer = await api.get(path, headers=tenant if path == OWN else ADMIN, params=query)

    refused(answer, 422)
