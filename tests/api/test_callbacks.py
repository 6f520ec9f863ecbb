"""POST /v1/callbacks/test: one signed ping at once, and what came of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import standardwebhooks

from app.service.callbacks import TESTS_IN_ALL, TESTS_OF_A_TENANT
from tests.api.client import ADMIN, TENANTS, Headers, new_tenant, running, tenant_body
from tests.conftest import MakeSettings
from tests.outbound.certificates import server_tls
from tests.outbound.receivers import Connection, Receiver, Script, always_ok, receiver, says, silent
from tests.peers import PATIENCE_SECONDS, eventually

TEST = "/v1/callbacks/test"


@pytest.fixture
async def patient_api(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """An application that waits for its receivers for as long as a test may take."""
    async with running(make_settings(delivery_timeout_seconds=PATIENCE_SECONDS)) as client:
        yield client


async def _test(api: httpx.AsyncClient, tenant: Headers, url: str) -> httpx.Response:
    return await api.post(TEST, headers=tenant, json={"callback_url": url})


async def _result(api: httpx.AsyncClient, tenant: Headers, url: str) -> dict[str, Any]:
    answer = await _test(api, tenant, url)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    assert 0 <= result.pop("duration_ms") < PATIENCE_SECONDS * 1000
    return result


async def test_a_receiver_gets_a_signed_ping(api: httpx.AsyncClient) -> None:
    made = (await api.post(TENANTS, headers=ADMIN, json=tenant_body())).json()
    tenant = {"Authorization": f"Bearer {made['api_key']}"}
    async with receiver(always_ok) as server:
        assert await _result(api, tenant, f"{server.url}/hooks?a=b") == {"status_code": 200, "error": None}
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    request_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert request_line == "POST /hooks?a=b HTTP/1.1"
    assert headers["content-type"] == "application/json"
    event = standardwebhooks.Webhook(made["signing_secret"]).verify(body, headers)
    assert event == {
        "type": "ping",
        "timestamp": event["timestamp"],
        "data": {"event_id": headers["webhook-id"]},
    }
    assert body == json.dumps(event, separators=(",", ":")).encode()
    assert headers["webhook-id"].startswith("evt_")


async def test_no_two_pings_are_the_same(api: httpx.AsyncClient, tenant: Headers) -> None:
    async with receiver(always_ok) as server:
        for _ in range(2):
            await _result(api, tenant, server.url)
    first, second = server.requests
    assert first.partition(b"\r\n\r\n")[2] != second.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("status", [204, 301, 410, 500])
async def test_whatever_status_is_answered_is_told(api: httpx.AsyncClient, tenant: Headers, status: int) -> None:
    script = says(b"HTTP/1.1 %d X\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n" % status)
    async with receiver(script) as server:
        assert await _result(api, tenant, server.url) == {"status_code": status, "error": None}
        assert server.connections == 1


async def test_an_error_is_told_by_its_stage(make_settings: MakeSettings) -> None:
    async def resets(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async with (
        running(make_settings(delivery_timeout_seconds=0.3)) as api,
        receiver(silent) as hanging,
        receiver(resets) as resetting,
    ):
        tenant = await new_tenant(api)
        assert await _result(api, tenant, hanging.url) == {"status_code": None, "error": "timeout"}
        assert await _result(api, tenant, resetting.url) == {"status_code": None, "error": "reset"}
        await hanging.stop()
    async with running(make_settings()) as api:
        assert await _result(api, await new_tenant(api), resetting.url) == {"status_code": None, "error": "connect"}


async def test_the_settings_of_the_way_out_are_obeyed(make_settings: MakeSettings, tmp_path: Path) -> None:
    tls, roots = server_tls(tmp_path, "127.0.0.1")
    async with receiver(always_ok, tls) as server, running(make_settings(callback_trust_roots=str(roots))) as api:
        assert await _result(api, await new_tenant(api), server.url) == {"status_code": 200, "error": None}
    async with receiver(always_ok) as proxy, running(make_settings(egress_proxy_url=proxy.url)) as api:
        result = await _result(api, await new_tenant(api), "http://crm.example.com/hooks")
    assert result == {"status_code": 200, "error": None}
    assert proxy.requests[0].startswith(b"POST http://crm.example.com/hooks HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"callback_url": None},
        {"callback_url": 7},
        {"callback_url": "ftp://crm.example.com/"},
        {"callback_url": "http://user@crm.example.com/"},
        {"callback_url": "https://crm.example.com/", "secret": "whsec_"},
    ],
)
async def test_a_bad_body_is_refused(api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any]) -> None:
    answer = await api.post(TEST, headers=tenant, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in {"callback_url", "secret"}


async def test_it_needs_a_key(api: httpx.AsyncClient) -> None:
    async with receiver(always_ok) as server:
        assert (await _test(api, {}, server.url)).status_code == 401
        assert (await _test(api, ADMIN, server.url)).status_code == 401
        assert server.connections == 0


async def _begin(
    api: httpx.AsyncClient, tenant: Headers, server: Receiver, count: int
) -> list[asyncio.Task[httpx.Response]]:
    """Begin so many tests, and return when the receiver holds all of them."""
    before = len(server.requests)
    tests = [asyncio.create_task(_test(api, tenant, server.url)) for _ in range(count)]

    async def arrived() -> bool:
        return len(server.requests) >= before + count

    await eventually(arrived, f"{count} pings")
    return tests


def _waits_for(released: asyncio.Event) -> Script:
    """Answer once that is set."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await released.wait()
        await connection.answer()

    return script


async def test_a_tenant_tests_a_few_at_once(patient_api: httpx.AsyncClient) -> None:
    api, released = patient_api, asyncio.Event()
    tenant, other = await new_tenant(api), await new_tenant(api)
    async with receiver(_waits_for(released)) as server:
        tests = await _begin(api, tenant, server, TESTS_OF_A_TENANT)
        refused = await _test(api, tenant, server.url)
        tests += await _begin(api, other, server, 1)
        released.set()
        assert {(await test).status_code for test in tests} == {200}
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["type"] == "urn:ringback:problem:too-many-requests"
        assert (await _test(api, tenant, server.url)).status_code == 200


async def test_a_process_tests_some_at_once(patient_api: httpx.AsyncClient) -> None:
    api, released = patient_api, asyncio.Event()
    tests: list[asyncio.Task[httpx.Response]] = []
    async with receiver(_waits_for(released)) as server:
        while len(tests) < TESTS_IN_ALL:
            count = min(TESTS_OF_A_TENANT, TESTS_IN_ALL - len(tests))
            tests += await _begin(api, await new_tenant(api), server, count)
        last = await new_tenant(api)
        assert (await _test(api, last, server.url)).status_code == 429
        released.set()
        assert {(await test).status_code for test in tests} == {200}
        assert (await _test(api, last, server.url)).status_code == 200
