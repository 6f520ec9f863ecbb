"""Each request has one line in the log, and all of its lines say whose they are; and where it is traced, its span."""

import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from app.telemetry.log import JsonLines
from app.telemetry.redaction import Redaction
from tests.api.client import SUBSCRIPTIONS, Headers, new_tenant, running, subscribe, subscription_body
from tests.collector import Collector
from tests.conftest import MakeSettings
from tests.servers import serve

Lines = Callable[[], list[dict[str, Any]]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged meanwhile, as it stands in a line."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines(Redaction(())))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # The client of this test logs too.
    yield lambda: [one for one in map(json.loads, text.getvalue().splitlines()) if one["logger"].startswith("app.")]
    root.setLevel(level)
    root.removeHandler(handler)


def requests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "request"]


async def test_a_request_has_one_line_and_all_its_lines_its_id(
    api: httpx.AsyncClient, tenant: Headers, lines: Lines
) -> None:
    made = await api.post(SUBSCRIPTIONS, headers=tenant | {"x-request-id": "mine"}, json=subscription_body())
    (line,) = requests(lines())
    assert {line["method"], line["route"], line["status_code"], line["level"]} == {"POST", SUBSCRIPTIONS, 201, "info"}
    assert line["tenant_id"].startswith("ten_")
    assert line["duration_ms"] >= 0
    assert {one["request_id"] for one in lines()} == {"mine"}
    (registered,) = [one for one in lines() if one["event"] == "subscription registered"]
    assert registered["subscription_id"] == made.json()["id"]


async def test_a_line_tells_the_route_and_nothing_of_the_address(
    api: httpx.AsyncClient, tenant: Headers, lines: Lines
) -> None:
    one = await subscribe(api, tenant)
    await api.get(f"{SUBSCRIPTIONS}/{one['id']}", headers=tenant)
    await api.get(f"{SUBSCRIPTIONS}?secret=hidden", headers=tenant)
    await api.get("/nowhere/hidden", headers=tenant)
    await api.get(SUBSCRIPTIONS, headers={"authorization": "Bearer hidden"})
    told = [(line["route"], line["status_code"], "tenant_id" in line) for line in requests(lines())]
    assert told[1:] == [
        (f"{SUBSCRIPTIONS}/{{subscription_id}}", 200, True),
        (SUBSCRIPTIONS, 422, True),
        ("other", 404, False),
        (SUBSCRIPTIONS, 401, False),
    ]
    assert "hidden" not in json.dumps(lines())


async def test_probes_have_none(api: httpx.AsyncClient, lines: Lines) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await api.get(path)).status_code == 200
    assert requests(lines()) == []


async def test_a_failure_is_a_warning_with_the_same_id(make_settings: MakeSettings, lines: Lines) -> None:
    async with running(make_settings(redis_url="redis://127.0.0.1:9/0")) as api:
        answer = await api.get(SUBSCRIPTIONS, headers={"authorization": "Bearer rbk_x", "x-request-id": "mine"})
    assert answer.status_code == 503
    (line,) = requests(lines())
    assert (line["status_code"], line["level"], line["request_id"]) == (503, "warning", "mine")
    (failed,) = [one for one in lines() if one["event"] == "a request failed"]
    assert (failed["request_id"], failed["level"]) == ("mine", "warning")


@pytest.fixture
async def collector() -> Collector:
    return Collector()


@pytest.fixture
async def traced(
    make_settings: MakeSettings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    async with serve(collector) as url, running(make_settings(OTEL_EXPORTER_OTLP_ENDPOINT=url)) as api:
        yield api


async def test_a_traced_request_says_so_in_its_lines(
    traced: httpx.AsyncClient, collector: Collector, lines: Lines
) -> None:
    tenant = await new_tenant(traced)
    await traced.post(SUBSCRIPTIONS, headers=tenant | {"traceparent": CALLER}, json=subscription_body())
    (span,) = await collector.until(f"POST {SUBSCRIPTIONS}", 1, TRACE)
    (line,) = [one for one in requests(lines()) if one["route"] == SUBSCRIPTIONS]
    assert (line["trace_id"], line["span_id"]) == (TRACE, span.id)
    (registered,) = [one for one in lines() if one["event"] == "subscription registered"]
    assert (registered["trace_id"], registered["span_id"]) == (TRACE, span.id)


@pytest.mark.parametrize(
    "parents",
    [
        ["nonsense"],
        ["00-" + "0" * 32 + "-00f067aa0ba902b7-01"],
        [CALLER, CALLER.replace("4", "5")],
        ["\xff" * 55],
        ["0" * 9000],
    ],
)
async def test_who_says_nonsense_of_a_trace_begins_one(
    traced: httpx.AsyncClient, collector: Collector, parents: list[str]
) -> None:
    headers = [("traceparent", one.encode("latin-1")) for one in parents] + [("tracestate", b"\xff" * 4000)]
    answer = await traced.get("/nowhere", headers=[(name.encode(), value) for name, value in headers])
    assert answer.status_code == 404
    (span,) = await collector.until("GET other", 1)
    assert (span.parent, span.state) == ("", "")
    assert span.trace != TRACE


async def test_probes_have_no_span_and_failures_are_marked(traced: httpx.AsyncClient, collector: Collector) -> None:
    await traced.get("/healthz")
    await traced.request("BREW", "/nowhere?secret=hidden")
    (span,) = await collector.until("_OTHER other", 1)
    assert span.attributes == {
        "http.request.method": "_OTHER",
        "http.route": "other",
        "http.response.status_code": 404,
        "url.scheme": "http",
    }
    assert [one.name for one in collector.spans] == ["_OTHER other"]
