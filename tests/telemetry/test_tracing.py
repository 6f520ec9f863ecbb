"""Spans on their way to a collector: one that is well, and every kind of one that is not."""

import logging
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from app.telemetry.trace_context import TraceContext
from app.telemetry.tracing import Tracing, open_tracing
from tests.collector import Collector
from tests.peers import eventually
from tests.processes import ROOT, environment
from tests.servers import serve

# For a close that may take three seconds, on a machine that is busy with other things.
_CLOSED_WITHIN_SECONDS = 12.0
# What is queued at most, 4,096 spans, with what Python needs around them; 10,000 would be more.
_MOST_BYTES = 24_000_000
PARENT = TraceContext(b"\x01" * 16, b"\x02" * 8, "crm=1")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches go out at once."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")


def spans(tracing: Tracing, count: int) -> None:
    for _ in range(count):
        span = tracing.start("poll", "client", PARENT, {"a": 1})
        assert span is not None
        span.end({"b": "c"}, failed=True)


async def test_what_is_made_arrives() -> None:
    collector = Collector()
    async with serve(collector) as url:
        async with open_tracing(url, "poll") as tracing:
            link = TraceContext(b"\x03" * 16, b"\x04" * 8)
            span = tracing.start("poll", "client", PARENT, {"a": 1}, link=link, started_ago=2.0)
            assert span is not None
            span.end({"b": ["c"]})
            assert span.context.state == "crm=1"
            assert span.fields == {"trace_id": "01" * 16, "span_id": span.context.span_id.hex()}
        # Closing sends what is left.
        (seen,) = collector.spans
    assert (seen.trace, seen.parent, seen.role, seen.kind) == ("01" * 16, "02" * 8, "ringback-poll", 3)
    assert seen.attributes == {"a": 1, "b": ["c"]}
    assert seen.links == (("03" * 16, "04" * 8),)
    assert 2.0 <= seen.seconds < 60.0


async def test_what_its_caller_does_not_keep_is_not_kept() -> None:
    async with open_tracing("http://127.0.0.1:9", "api") as tracing:
        unsampled = TraceContext(PARENT.trace_id, PARENT.span_id, sampled=False)
        assert tracing.start("POST", "server", unsampled, {}) is None
        begun = tracing.start("POST", "server", None, {})
        assert begun is not None
        begun.end({})


async def test_the_standards_variables_are_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "telephony")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    async with open_tracing("http://127.0.0.1:9", "api") as tracing:
        assert tracing.start("POST", "server", PARENT, {}) is None
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    collector = Collector()
    async with serve(collector) as url, open_tracing(url, "api") as tracing:
        assert tracing.start("POST", "server", None, {}) is None
        spans(tracing, 1)
        await collector.until("poll", 1)
    assert collector.spans[0].role == "telephony"


async def refused(collector: Collector, batches: int) -> bool:
    return len(collector.received) >= batches


async def test_a_collector_that_refuses_is_told_of_once_and_so_is_its_recovery(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    collector = Collector(status=400)
    async with serve(collector) as url, open_tracing(url, "deliver") as tracing:
        for batch in range(1, 4):
            spans(tracing, 1)
            await eventually(partial(refused, collector, batch), f"{batch} batches")
        collector.status = 200
        spans(tracing, 1)
        await collector.until("poll", 1)
    assert [
        record.getMessage() for record in caplog.records if record.name.startswith(("app.telemetry", "opentel"))
    ] == [
        "traces are lost: the collector does not accept them",
        "traces are accepted again",
    ]


@contextmanager
def silent_server() -> Iterator[str]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def endure(url: str) -> tuple[float, int]:
    """Make far more spans than are queued, and return how long closing took in seconds, and the bytes they grew to."""
    async with open_tracing(url, "deliver") as tracing:
        tracemalloc.start()
        try:
            spans(tracing, 10_000)
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        began = time.monotonic()
    return time.monotonic() - began, grown


async def test_a_collector_that_hangs_delays_nothing_and_fills_no_memory() -> None:
    with silent_server() as url:
        closing, grown = await endure(url)
    assert closing < _CLOSED_WITHIN_SECONDS
    assert grown < _MOST_BYTES


@pytest.mark.parametrize("away", [True, False])
async def test_a_collector_that_fails_or_is_away_is_told_of_once(away: bool, caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Collector(status=500)) as url:
        closing, grown = await endure("http://127.0.0.1:9" if away else url)
    assert closing < _CLOSED_WITHIN_SECONDS
    assert grown < _MOST_BYTES
    told = [record.getMessage() for record in caplog.records if record.name.startswith(("app.", "opentel"))]
    assert told in ([], ["traces are lost: the collector does not accept them"])


def run(code: str, **settings: object) -> subprocess.CompletedProcess[str]:
    defaults: dict[str, object] = {
        "admin_key": "admin-key-of-the-tests",
        "encryption_keys": "a2V5LW9mLXRoZS10ZXN0cy1vZi10aGlydHktdHdvLWI=",
        "upstream_base_url": "http://127.0.0.1:9",
    }
    return subprocess.run(  # noqa: S603 -- the command is ours, and no shell reads it
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(**(defaults | settings)),
        capture_output=True,
        text=True,
        check=False,
    )


_WITHOUT = """
import asyncio, sys
{modules}
from app.resources import open_resources
from app.settings import load_settings
async def work():
    async with open_resources(load_settings("poll"), "poll") as resources:
        assert resources.tracing is None
asyncio.run(work())
print(sorted(name for name in sys.modules if name.startswith({unwanted})))
"""


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("import workers.poll, workers.deliver", ("opentelemetry",)),
        # FastAPI itself imports the standard's interface.
        ("import app.main; app.main.app", ("opentelemetry.sdk", "opentelemetry.exporter", "app.telemetry.tracing")),
    ],
)
def test_without_an_endpoint_nothing_of_it_is_imported(modules: str, unwanted: tuple[str, ...]) -> None:
    ended = run(_WITHOUT.format(modules=modules, unwanted=unwanted), otel_service_name="ignored")
    assert (ended.stdout.splitlines()[-1:], ended.returncode) == (["[]"], 0), ended.stderr


_MISSING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from app.settings import load_settings
load_settings("api")
"""


def test_a_missing_package_ends_the_process_with_one_line() -> None:
    ended = run(_MISSING, otel_exporter_otlp_endpoint="http://collector:4318")
    assert ended.returncode == 1
    assert ended.stderr == (
        "ringback: OTEL_EXPORTER_OTLP_ENDPOINT needs what sends traces: pip install 'ringback[tracing]'.\n"
    )


def test_another_protocol_ends_the_process_with_one_line() -> None:
    code = "from app.settings import load_settings; load_settings('api')"
    collector = "http://collector:4317"
    ended = run(code, otel_exporter_otlp_endpoint=collector, otel_exporter_otlp_protocol="grpc")
    assert ended.returncode == 1
    assert ended.stderr == (
        "ringback: OTEL_EXPORTER_OTLP_PROTOCOL is impossible: traces are sent by http/protobuf only.\n"
    )
    assert run(code, otel_exporter_otlp_endpoint=collector, otel_exporter_otlp_protocol="http/protobuf").returncode == 0


@pytest.mark.parametrize(
    "wrong", ["collector:4318", "grpc://collector:4317", "http://", "http://a b", "http://c:99999"]
)
def test_an_impossible_endpoint_ends_the_process_with_one_line(wrong: str) -> None:
    ended = run("from app.settings import load_settings; load_settings('api')", otel_exporter_otlp_endpoint=wrong)
    assert ended.returncode == 1
    assert ended.stderr.startswith("ringback: OTEL_EXPORTER_OTLP_ENDPOINT is impossible: ")
    assert ended.stderr.count("\n") == 1
    assert (
        ended.stderr.endswith("is an http or https address such as http://collector:4318.\n") or "port" in ended.stderr
    )
