"""Addresses, ids and lines that no client of good will sends: a clear 4xx each time, and never a 5xx."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import create_app
from tests.api.client import SUBSCRIPTIONS, TENANTS, Headers, new_tenant
from tests.api.refusals import keys_for, refused
from tests.conftest import MakeSettings
from tests.servers import serve

JSON = {"Content-Type": "application/json"}
BY_ID = (
    f"{SUBSCRIPTIONS}/{{}}",
    "/v1/calls/{}",
    "/v1/calls/{}/events",
    "/v1/deliveries/{}",
    f"{TENANTS}/{{}}",
    f"{TENANTS}/{{}}/api-keys",
)


@pytest.fixture
async def web(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """The API behind a real server, which reads paths and headers as they are sent."""
    async with (
        serve(create_app(make_settings())) as base,
        httpx.AsyncClient(base_url=base, trust_env=False) as client,
    ):
        yield client


ODD_IDS = (
    "%2e%2e",
    "..%2f..%2fadmin",
    "a%2fb",
    "a%5cb",
    "%00",
    "%0d%0aX-Injected:%201",
    "%ff%fe",
    "%",
    "%zz",
    "*",
    "sub_*",
    "rb:{0}:due",
    "{subscription_id}",
    "%7b0%7d",
    "sub_" + "0" * 5000,
    "sub_0C1M842CP95QQRKPHHNZX3",
    "sub_0c1m842cp95qqrkphhnzx3%0a",
    "sub_zz1m842cp95qqrkphhnzx3",
    "dlv_0c1m842cp95qqrkphhnzx3zzzzzzzzz",
    "ten_1m842cp907q3yc2f95cq:x",
    "OUT-" + "x" * 5000,
    "OUT-%F0%9F%92%A5",
    "' OR 1=1 --",
    "<script>",
)


@pytest.mark.parametrize("pattern", BY_ID)
async def test_an_id_that_is_none_is_unknown(web: httpx.AsyncClient, pattern: str) -> None:
    tenant = await new_tenant(web)
    for name in ODD_IDS:
        path = pattern.format(name.replace(" ", "%20"))
        answer = await web.get(path, headers=keys_for(path, tenant))
        refused(answer, 404)
        assert "injected" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    "path",
    ["//v1/subscriptions", "/v1//subscriptions", "/v1/subscriptions/", "/v1/./subscriptions", "/V1/subscriptions"],
)
async def test_an_address_that_is_almost_one_is_none(web: httpx.AsyncClient, path: str) -> None:
    tenant = await new_tenant(web)

    assert (await _status_of(web, f"GET {path} HTTP/1.1", tenant)) == 404


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1/subscriptions HTTP/9.9",
        "GET  HTTP/1.1",
        "GET /v1/sub\x00scriptions HTTP/1.1",
        "\x16\x03\x01\x02\x00",
        "G" * 100_000,
    ],
    ids=lambda line: repr(line[:20]),
)
async def test_what_is_no_http_is_refused(web: httpx.AsyncClient, line: str) -> None:
    assert await _status_of(web, line, {}) in (400, 414, 431, 0)


async def _status_of(web: httpx.AsyncClient, line: str, headers: Headers) -> int:
    """Send a request as it stands, and return the status it is answered with; 0 when the connection is closed."""
    reader, writer = await asyncio.open_connection(web.base_url.host, web.base_url.port)
    named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{line}\r\nHost: ringback\r\n{named}Connection: close\r\n\r\n".encode("latin-1"))
    try:
        answer = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return 0
    finally:
        writer.close()
    return int(answer.split(b" ")[1]) if answer else 0


ODD_REQUEST_IDS = (b"a" * 129, b"a b", b"", b"\xc3\xa9", b"a,b", b"<script>", b"../../etc", b'"quoted"', b"a;b", b"{}")


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", SUBSCRIPTIONS])
async def test_an_odd_request_id_is_replaced(api: httpx.AsyncClient, path: str) -> None:
    for value in ODD_REQUEST_IDS:
        answer = await api.get(path, headers={b"X-Request-Id": value})
        [given] = answer.headers.get_list("x-request-id")
        assert (len(given), given.isalnum()) == (32, True), value


async def test_every_kind_of_answer_names_its_request(api: httpx.AsyncClient, tenant: Headers) -> None:
    named = {"X-Request-Id": "crm-7"}
    answers = [
        await api.get("/healthz", headers=named),
        await api.get("/docs", headers=named),
        await api.get("/openapi.json", headers=named),
        await api.get("/nowhere", headers=named),
        await api.put(SUBSCRIPTIONS, headers=named),
        await api.get(SUBSCRIPTIONS, headers=named),
        await api.get(SUBSCRIPTIONS, headers=tenant | named),
        await api.get(f"{SUBSCRIPTIONS}?limit=0", headers=tenant | named),
        await api.post(SUBSCRIPTIONS, headers=tenant | named | JSON, content=b"{"),
        await api.post(SUBSCRIPTIONS, headers=tenant | named | JSON, content=b" " * 70_000),
        await api.post(SUBSCRIPTIONS, headers=tenant | named, content=b"x"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 405, 401, 200, 422, 400, 413, 415]
    assert {answer.headers["x-request-id"] for answer in answers} == {"crm-7"}
