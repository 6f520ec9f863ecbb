"""Whatever goes wrong is a problem document, and tells nothing of the inside."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import MAX_BODY_BYTES, create_app
from tests.api.client import SUBSCRIPTIONS, TENANTS, Headers, new_tenant, running, subscribe, subscription_body
from tests.builders import CONNECTOR
from tests.conftest import MakeSettings
from tests.servers import serve

JSON = {"Content-Type": "application/json"}


def _check(answer: httpx.Response, status: int, name: str) -> dict[str, object]:
    """Check what every problem has in common, and return it."""
    problem: dict[str, object] = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:ringback:problem:{name}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)
    return problem


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/subscription", "/v1/subscriptions/", "/v2/subscriptions", "/redoc"])
async def test_an_address_where_nothing_is(api: httpx.AsyncClient, path: str) -> None:
    _check(await api.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", SUBSCRIPTIONS, {"GET", "POST"}),
        ("POST", f"{SUBSCRIPTIONS}/sub_1", {"GET", "PATCH", "DELETE"}),
        ("DELETE", TENANTS, {"GET", "POST"}),
        ("POST", "/healthz", {"GET"}),
        ("POST", "/docs", {"GET"}),
    ],
)
async def test_a_method_that_an_address_does_not_take(
    api: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await api.request(method, path)

    _check(answer, 405, "method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "body",
    [b"{", b"{'call_sid': 1}", b"\xff\xfe", b"[" * 50_000, b'{"call_sid": ' + b"9" * 5000 + b"}", b"\x00"],
)
async def test_a_body_that_is_no_json(api: httpx.AsyncClient, tenant: Headers, body: bytes) -> None:
    _check(await api.post(SUBSCRIPTIONS, headers=tenant | JSON, content=body), 400, "bad-request")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"text"', b"7", b"[{}]"])
async def test_a_body_that_is_no_object(api: httpx.AsyncClient, tenant: Headers, body: bytes) -> None:
    _check(await api.post(SUBSCRIPTIONS, headers=tenant | JSON, content=body), 422, "invalid-request")


@pytest.mark.parametrize("text", ["\ud800", "\U0001f4a5", "\x00", "é" * 200])
async def test_any_text_can_be_quoted_back(api: httpx.AsyncClient, tenant: Headers, text: str) -> None:
    for body in ({text: 1}, subscription_body(metadata={text: 1}), subscription_body(callback_url=text)):
        answer = await api.post(SUBSCRIPTIONS, headers=tenant | JSON, content=json.dumps(body))
        _check(answer, 422, "invalid-request")


async def test_a_thousand_mistakes_are_not_all_listed(api: httpx.AsyncClient, tenant: Headers) -> None:
    answer = await api.post(SUBSCRIPTIONS, headers=tenant, json={f"field-{number}": 1 for number in range(1000)})

    _check(answer, 422, "invalid-request")
    assert len(answer.json()["errors"]) == 20


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_a_body_that_does_not_say_that_it_is_json(
    api: httpx.AsyncClient, tenant: Headers, media_type: str
) -> None:
    headers = tenant | {"Content-Type": media_type}
    body = json.dumps(subscription_body())

    _check(await api.post(SUBSCRIPTIONS, headers=headers, content=body), 415, "unsupported-media-type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_a_body_that_says_so_in_other_words(api: httpx.AsyncClient, tenant: Headers, media_type: str) -> None:
    headers = tenant | {"Content-Type": media_type}

    answer = await api.post(SUBSCRIPTIONS, headers=headers, content=json.dumps(subscription_body()))

    assert answer.status_code == 201


async def _drip(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield b" " * min(size, 4096)
        size -= 4096


async def test_too_long_a_body_is_refused_declared_or_not(make_settings: MakeSettings) -> None:
    async with (
        serve(create_app(make_settings())) as base,
        httpx.AsyncClient(base_url=base, trust_env=False) as client,
    ):
        tenant = await new_tenant(client) | JSON
        fitting = json.dumps(subscription_body()).encode().ljust(MAX_BODY_BYTES)
        longer = fitting + b" "

        assert (await client.post(SUBSCRIPTIONS, headers=tenant, content=fitting)).status_code == 201
        _check(await client.post(SUBSCRIPTIONS, headers=tenant, content=longer), 413, "content-too-large")
        chunked = await client.post(SUBSCRIPTIONS, headers=tenant, content=_drip(MAX_BODY_BYTES + 4096))
        assert "content-length" not in chunked.request.headers
        _check(chunked, 413, "content-too-large")
        # Also of one who has no key at all: nothing of it is read.
        _check(await client.post(SUBSCRIPTIONS, headers=JSON, content=longer), 413, "content-too-large")
        assert len((await client.get(SUBSCRIPTIONS, headers=tenant)).json()["items"]) == 1


async def test_a_body_that_declares_too_much_is_not_waited_for(make_settings: MakeSettings) -> None:
    async with serve(create_app(make_settings())) as base:
        address = httpx.URL(base)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        request = f"POST {SUBSCRIPTIONS} HTTP/1.1\r\nHost: ringback\r\nContent-Length: 10000000\r\n\r\n"
        writer.write(request.encode())

        status = await asyncio.wait_for(reader.readline(), 10)

        writer.close()
        await writer.wait_closed()
    assert status.startswith(b"HTTP/1.1 413 ")


async def test_an_internal_error_tells_nothing_but_where_to_look(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(make_settings()) as api:
        tenant = await new_tenant(api)
    other_key = base64.urlsafe_b64encode(bytes(32)).decode()
    # A key that was taken away too early: what is sealed with it does not open any more.
    async with running(make_settings(encryption_keys=other_key)) as api:
        with caplog.at_level(logging.ERROR):
            answer = await api.get(SUBSCRIPTIONS, headers=tenant | {"X-Request-Id": "request-7"})

    problem = _check(answer, 500, "internal-error")
    assert "ENCRYPTION" not in str(problem)
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] == "request-7"
    logged = [record for record in caplog.records if getattr(record, "request_id", "") == "request-7"]
    assert [record.exc_info is not None for record in logged] == [True]


async def test_a_request_keeps_the_name_it_comes_with_or_gets_one(api: httpx.AsyncClient) -> None:
    named = await api.get("/healthz", headers={"X-Request-Id": "from-the-crm.7"})
    nameless = [await api.get("/healthz") for _ in range(2)]
    odd = await api.get("/nowhere", headers={"X-Request-Id": "a b"})

    assert named.headers["x-request-id"] == "from-the-crm.7"
    assert nameless[0].headers["x-request-id"] != nameless[1].headers["x-request-id"]
    assert odd.headers["x-request-id"] not in ("", "a b")


async def test_nothing_secret_is_logged(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, make_settings: MakeSettings
) -> None:
    with caplog.at_level(logging.DEBUG):
        tenant = await new_tenant(api)
        subscription = await subscribe(api, tenant, headers={"authorization": "for-the-receiver"})
        await api.delete(f"{SUBSCRIPTIONS}/{subscription['id']}", headers=tenant)

    logged = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("app."))
    assert subscription["id"] in logged
    key = tenant["Authorization"].removeprefix("Bearer ")
    for hidden in (key, key.split("_", 2)[2], CONNECTOR, "for-the-receiver", make_settings().encryption_keys[0]):
        assert hidden not in logged
