"""Requests per second: what a bounded tenant is told with each answer, and what happens above the bound."""

import httpx
import pytest

from app.resources import Resources
from app.store import keys
from tests.api.client import ADMIN, SUBSCRIPTIONS, TENANTS, Headers, new_tenant, tenant_body

_POLICY = '"requests";q={};w=1'


async def _bounded(api: httpx.AsyncClient, limit: int) -> tuple[str, Headers]:
    """Make a tenant with a bound, and return its id and the headers with which it is known."""
    body = tenant_body(quotas={"requests_per_second": limit})
    made = (await api.post(TENANTS, headers=ADMIN, json=body)).json()
    return made["id"], {"Authorization": f"Bearer {made['api_key']}"}


async def _empty_bucket(resources: Resources, tenant_id: str) -> None:
    """Take all its requests from a tenant, for as long as the test lasts."""
    seconds, _ = await resources.ledger.redis.time()
    await resources.ledger.redis.set(keys.tenant_rate(tenant_id), (seconds + 3600) * 1_000_000)


def _rate(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


async def test_the_first_answer_tells_what_remains(api: httpx.AsyncClient) -> None:
    _, own = await _bounded(api, 50)

    answer = await api.get(SUBSCRIPTIONS, headers=own)

    assert answer.status_code == 200
    assert _rate(answer) == (_POLICY.format(50), '"requests";r=49;t=1')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{SUBSCRIPTIONS}/sub_0c1m842cp95qqrkphhnzx3", 404),
        ("POST", SUBSCRIPTIONS, 415),
        ("GET", f"{SUBSCRIPTIONS}?limit=0", 422),
        ("DELETE", f"{SUBSCRIPTIONS}/sub_1", 404),
    ],
)
async def test_errors_tell_it_too(api: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    _, own = await _bounded(api, 50)

    answer = await api.request(method, path, headers=own)

    assert answer.status_code == status
    assert _rate(answer)[1].startswith('"requests";r=49;')


async def test_a_request_too_many_is_answered_with_when_to_come_back(
    api: httpx.AsyncClient, resources: Resources
) -> None:
    tenant_id, own = await _bounded(api, 50)
    await _empty_bucket(resources, tenant_id)

    answer = await api.get(SUBSCRIPTIONS, headers=own)

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert _rate(answer) == (_POLICY.format(50), '"requests";r=0;t=1')
    problem = answer.json()
    assert problem["type"] == "urn:ringback:problem:too-many-requests"
    assert "50 per second" in problem["detail"]


async def test_all_of_a_tenants_keys_draw_on_the_same(api: httpx.AsyncClient, resources: Resources) -> None:
    tenant_id, own = await _bounded(api, 50)
    another = (await api.post(f"{TENANTS}/{tenant_id}/api-keys", headers=ADMIN)).json()["api_key"]
    await _empty_bucket(resources, tenant_id)

    for headers in (own, {"Authorization": f"Bearer {another}"}):
        assert (await api.get(SUBSCRIPTIONS, headers=headers)).status_code == 429


async def test_nobody_else_is_told_of_a_rate(api: httpx.AsyncClient, tenant: Headers) -> None:
    tenant_id, own = await _bounded(api, 50)
    wrong = {"Authorization": own["Authorization"][:-43] + "A" * 43}

    for answer in (
        await api.get(SUBSCRIPTIONS, headers=tenant),
        await api.get(SUBSCRIPTIONS, headers=wrong),
        await api.get(f"{TENANTS}/{tenant_id}", headers=ADMIN),
        await api.get("/healthz"),
    ):
        assert "ratelimit" not in answer.headers
        assert "ratelimit-policy" not in answer.headers


async def test_a_changed_bound_holds_from_the_next_request_on(api: httpx.AsyncClient) -> None:
    tenant_id, own = await _bounded(api, 50)

    await api.patch(f"{TENANTS}/{tenant_id}", headers=ADMIN, json={"quotas": {"requests_per_second": 7}})
    assert _rate(await api.get(SUBSCRIPTIONS, headers=own)) == (_POLICY.format(7), '"requests";r=6;t=1')

    await api.patch(f"{TENANTS}/{tenant_id}", headers=ADMIN, json={"quotas": {"requests_per_second": None}})
    assert "ratelimit" not in (await api.get(SUBSCRIPTIONS, headers=own)).headers


async def test_a_request_counts_once_whatever_its_route_asks(api: httpx.AsyncClient) -> None:
    for path in (SUBSCRIPTIONS, "/v1/deliveries", "/v1/signing-secrets"):
        _, own = await _bounded(api, 50)
        assert _rate(await api.get(path, headers=own))[1] == '"requests";r=49;t=1'


async def test_an_unbounded_tenant_is_not_held_up(api: httpx.AsyncClient) -> None:
    own = await new_tenant(api)

    assert {(await api.get(SUBSCRIPTIONS, headers=own)).status_code for _ in range(30)} == {200}


async def test_the_document_says_that_any_request_of_a_tenant_may_be_too_many(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    for path in document["paths"].values():
        for operation in path.values():
            bounded = operation.get("security") == [{"TenantKey": []}]
            assert ("429" in operation["responses"]) is bounded
            if bounded:
                assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(operation["responses"]["429"]["headers"])
