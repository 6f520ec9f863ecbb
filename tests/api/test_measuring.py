"""Requests are counted and timed by the template of their route, and nothing that a client sends becomes a label."""

import asyncio
import time
from contextlib import suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.measuring import Measuring
from tests.api.client import SUBSCRIPTIONS, Headers, subscribe
from tests.readings import Readings, own_readings, readings_of

COUNTS = "ringback_http_requests_total"
TIMES = "ringback_http_request_seconds_count"
MIRROR = "/api/v1/{account_id}/{project_id}/outbound-call/status/{call_sid}"


async def read(api: httpx.AsyncClient) -> Readings:
    return readings_of((await api.get("/metrics")).raise_for_status().text)


def counted(before: Readings, after: Readings) -> dict[tuple[str, str, str], float]:
    """Return what was counted in between, beside the metrics themselves, by method, route and status."""
    found: dict[tuple[str, str, str], float] = {}
    for (name, labels), value in after.samples.items():
        grown = value - before.samples.get((name, labels), 0.0)
        told = dict(labels)
        if name == COUNTS and grown and told["route"] != "/metrics":
            found[told["method"], told["route"], told["status"]] = grown
    return found


async def test_requests_count_by_their_route(api: httpx.AsyncClient, tenant: Headers) -> None:
    before = await read(api)
    made = await subscribe(api, tenant)
    for _ in range(2):
        await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)
    await api.get(f"{SUBSCRIPTIONS}/{made['id']}")
    after = await read(api)
    one = f"{SUBSCRIPTIONS}/{{subscription_id}}"
    assert counted(before, after) == {
        ("POST", SUBSCRIPTIONS, "201"): 1,
        ("GET", one, "200"): 2,
        ("GET", one, "401"): 1,
    }
    timed = after.all(TIMES, "route")
    assert timed[one] - before.all(TIMES, "route").get(one, 0.0) == 3


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/api/v1/an-account/a-project/outbound-call/status/OUT-secret", MIRROR, "401"),
        ("GET", "/openapi.json", "/openapi.json", "200"),
        ("GET", "/docs", "/docs", "200"),
        ("GET", "/docs/assets/swagger-ui.css", "/docs/assets/{path}", "200"),
        ("GET", "/docs/assets/nothing-of-that-name", "/docs/assets/{path}", "404"),
        ("GET", "/nowhere", "other", "404"),
        ("GET", "/v1/subscriptions/", "other", "404"),
        ("GET", "//healthz", "other", "404"),
        ("PUT", "/healthz", "/healthz", "405"),
        ("BREW", "/healthz", "/healthz", "405"),
    ],
)
async def test_each_request_has_a_route(
    api: httpx.AsyncClient, method: str, path: str, route: str, status: str
) -> None:
    before = await read(api)
    await api.request(method, f"http://ringback.test{path}")
    label = "other" if method == "BREW" else method
    assert counted(before, await read(api)) == {(label, route, status): 1}


async def test_hostile_requests_make_no_labels(api: httpx.AsyncClient, tenant: Headers) -> None:
    async def ask(number: int) -> None:
        name = f"hostile-{number}"
        await api.get(f"/{name}")
        await api.get(f"/v1/subscriptions/{name}", headers=tenant)
        await api.get(f"/docs/assets/{name}")
        await api.get(f"/api/v1/{name}/{name}/outbound-call/status/OUT-{name}", headers={"X-CONNECTOR-ID": name})
        await api.request(f"HOSTILE{number}", "/v1/calls", headers=tenant)
        await api.get("/v1/calls", params={name: name}, headers={"Authorization": f"Bearer {name}"})
        await api.post("/v1/subscriptions", headers=tenant, content=name)

    await ask(0)
    before = await read(api)
    for number in range(1, 50):
        await ask(number)
    after = await read(api)
    assert after.label_values() == before.label_values()
    assert after.samples.keys() == before.samples.keys()
    assert "hostile" not in after.text.lower()


async def measured(app: ASGIApp) -> Readings:
    """Send one request through the measuring of an application of one's own, and return what stands there then."""

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None: ...

    with suppress(OSError):
        await Measuring(app)({"type": "http", "method": "GET", "app": Starlette()}, receive, send)
    return own_readings()


async def test_a_status_that_there_is_not_is_other() -> None:
    """The mirror's may be an upstream's."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 599, "headers": []})

    before = own_readings()
    assert counted(before, await measured(app)) == {("GET", "other", "other"): 1}


async def test_an_application_that_fails_has_answered_500() -> None:
    async def app(_: Scope, __: Receive, ___: Send) -> None:
        raise OSError("it fails")

    before = own_readings()
    assert counted(before, await measured(app)) == {("GET", "other", "500"): 1}


async def test_a_stream_is_timed_until_it_begins() -> None:
    """What follows may last for as long as somebody listens."""
    told = "ringback_http_request_seconds_sum"
    began_at = 0.0

    async def app(_: Scope, __: Receive, send: Send) -> None:
        nonlocal began_at
        await send({"type": "http.response.start", "status": 200, "headers": []})
        began_at = time.perf_counter()
        for _turn in range(1000):
            await asyncio.sleep(0)

    before, asked_at = own_readings(), time.perf_counter()
    after = await measured(app)
    took = (after.value(told, route="other") or 0.0) - (before.value(told, route="other") or 0.0)
    assert 0 < took < began_at - asked_at
