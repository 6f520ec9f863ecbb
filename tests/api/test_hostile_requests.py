"""Bodies and queries that no client of good will sends: a clear 4xx each time, and never a 5xx."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.api.client import SUBSCRIPTIONS, TENANTS, Headers, subscription_body, tenant_body
from tests.api.refusals import keys_for, refused

JSON = {"Content-Type": "application/json"}
BATCH = f"{SUBSCRIPTIONS}/batch"

# Addresses that take a body, with one that is accepted.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", SUBSCRIPTIONS): subscription_body(),
    ("POST", BATCH): {"items": [subscription_body()]},
    ("PATCH", f"{SUBSCRIPTIONS}/sub_0c1m842cp95qqrkphhnzx3"): {"paused": True},
    ("POST", f"{SUBSCRIPTIONS}/sub_0c1m842cp95qqrkphhnzx3/replay"): {},
    ("POST", "/v1/deliveries/retry"): {},
    ("POST", "/v1/callbacks/test"): {"callback_url": "http://127.0.0.1:9/"},
    ("POST", "/v1/signing-secrets/rotate"): {},
    ("POST", TENANTS): tenant_body(),
    ("PATCH", f"{TENANTS}/ten_1m842cp907q3yc2f95cq"): {"name": "x"},
    ("POST", f"{TENANTS}/ten_1m842cp907q3yc2f95cq/api-keys"): {},
}
# Addresses that take none, or no parameters in their query.
PLAIN = (
    ("GET", f"{SUBSCRIPTIONS}/sub_0c1m842cp95qqrkphhnzx3"),
    ("DELETE", f"{SUBSCRIPTIONS}/sub_0c1m842cp95qqrkphhnzx3"),
    ("GET", "/v1/deliveries/dlv_0c1m842cp95qqrkphhnzx30005"),
    ("POST", "/v1/deliveries/dlv_0c1m842cp95qqrkphhnzx30005/retry"),
    ("GET", "/v1/signing-secrets"),
    ("GET", "/v1/tenant"),
    ("GET", "/v1/admin/overview"),
    ("GET", f"{TENANTS}/ten_1m842cp907q3yc2f95cq"),
    ("DELETE", f"{TENANTS}/ten_1m842cp907q3yc2f95cq"),
    ("DELETE", f"{TENANTS}/ten_1m842cp907q3yc2f95cq/api-keys/key_1m842cp907q3yc2f95cq"),
)
LISTS = (
    SUBSCRIPTIONS,
    "/v1/calls",
    "/v1/calls/OUT-1/events",
    "/v1/deliveries",
    "/v1/destinations",
    "/v1/export/calls",
    TENANTS,
    "/v1/admin/destinations",
)

every_body = pytest.mark.parametrize("address", list(BODIES), ids=" ".join)


ODD_BODIES = (
    b"\xff\xfe\x00",
    b'{"a": "\xc3\x28"}',
    b"{" * 20_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b"[" * 30_000 + b"]" * 30_000,
    b'{"a": ' + b"9" * 6000 + b"}",
    b'{"a": 1' + b"0" * 400 + b".5e400}",
    b'{"a": 1e999999999}',
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}',
    b'{"": {}}',
    b"{}{}",
    b"{'a': 1}",
    b'{"a": 1,}',
    b"true",
    b'"text"',
    b"[]",
    b"-0",
)


@every_body
async def test_no_body_is_too_odd(api: httpx.AsyncClient, tenant: Headers, address: tuple[str, str]) -> None:
    method, path = address
    for body in ODD_BODIES:
        answer = await api.request(method, path, headers=keys_for(path, tenant) | JSON, content=body)
        refused(answer, 400, 404, 422)


@every_body
async def test_a_field_that_does_not_exist_is_named(
    api: httpx.AsyncClient, tenant: Headers, address: tuple[str, str]
) -> None:
    method, path = address
    body = BODIES[address] | {"callbackUrl": 1}

    problem = refused(await api.request(method, path, headers=keys_for(path, tenant), json=body), 422)

    assert problem["errors"] == [{"field": "callbackUrl", "message": "There is no such field."}]


WRONG: Sequence[Any] = (
    None,
    True,
    1,
    1.5,
    "",
    "x" * 20_000,
    [],
    {},
    [[]],
    {"a": {"b": 1}},
    10**400,
    -1,
    "\ud800",
    "\x00",
)


@every_body
async def test_no_field_takes_whatever_comes(api: httpx.AsyncClient, tenant: Headers, address: tuple[str, str]) -> None:
    """Every field of every body is given something of every kind: what fits is accepted, the rest is refused."""
    method, path = address
    document = (await api.get("/openapi.json")).json()
    pattern = next(one for one in document["paths"] if _matches(one, path))
    shape = document["paths"][pattern][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    reference = shape.get("$ref") or shape["anyOf"][0]["$ref"]
    fields = document["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    refusals = 0
    for field in fields:
        for value in WRONG:
            content = json.dumps(BODIES[address] | {field: value})
            answer = await api.request(method, path, headers=keys_for(path, tenant) | JSON, content=content)
            if not answer.is_success:
                refused(answer, 400, 404, 409, 422)
                refusals += 1
    assert refusals >= len(fields) * len(WRONG) // 2


def _matches(pattern: str, path: str) -> bool:
    parts, named = pattern.split("/"), path.split("/")
    return len(parts) == len(named) and all(
        part.startswith("{") or part == one for part, one in zip(parts, named, strict=True)
    )


@pytest.mark.parametrize("address", PLAIN, ids=" ".join)
async def test_a_query_where_there_is_none_is_refused(
    api: httpx.AsyncClient, tenant: Headers, address: tuple[str, str]
) -> None:
    method, path = address
    problem = refused(await api.request(method, path, headers=keys_for(path, tenant), params={"force": "1"}), 422)

    assert [one["field"] for one in problem["errors"]] == ["force"]


@every_body
async def test_a_query_beside_a_body_is_refused_too(
    api: httpx.AsyncClient, tenant: Headers, address: tuple[str, str]
) -> None:
    method, path = address
    answer = await api.request(
        method, path, headers=keys_for(path, tenant), params={"force": "1"}, json=BODIES[address]
    )

    assert [one["field"] for one in refused(answer, 422)["errors"]] == ["force"]


ODD_QUERIES = (
    "limt=1",
    "limit=0",
    "limit=201",
    "limit=" + "9" * 5000,
    "limit=1e2",
    "limit=NaN",
    "limit=",
    "limit=%00",
    "limit=%ff%fe",
    "cursor=",
    "cursor=%00",
    "cursor=%ff",
    "cursor=" + "A" * 20_000,
    "cursor=..%2f..%2f",
    "cursor=MDAwMDAwMDAwMDAwMDAwMDAwMDA",
    "%ff=1",
    "=1",
    "a[b]=1",
    "&&limit=0&",
)


@pytest.mark.parametrize("path", LISTS)
async def test_an_odd_query_of_a_list_is_refused(api: httpx.AsyncClient, tenant: Headers, path: str) -> None:
    for query in ODD_QUERIES:
        answer = await api.get(f"{path}?{query}", headers=keys_for(path, tenant))
        if answer.status_code != 200:
            refused(answer, 404, 422)
        else:
            # A cursor of another list's shape may be one of this list's too.
            assert query.startswith("cursor=M"), query
