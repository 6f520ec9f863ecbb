"""Traces, sent to a collector by OTLP over HTTP.

The only importer of OpenTelemetry, and itself imported only where an endpoint is set.

How it works. Spans are made and ended on the event loop, which costs some tens of microseconds each, and sent by
a thread of the SDK's, in batches. What cannot be sent in time is dropped: a collector that is away, or hangs, costs its
traces and nothing else. The queue is bounded, the thread ends with the process, and the log says once that traces are
lost and once that they are accepted again.

There is no context that is current: whoever makes a span says what it belongs to, for that is read from the ledger.
The SDK reads the standard's own variables: `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`,
`OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*` and so on.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from threading import Thread
from time import time_ns
from typing import Literal

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from app.telemetry.trace_context import TraceContext, bounded_state

# A second or two of the busiest worker's spans, and, at 3.5 kB each, 14 MB at most while the collector is away. A batch
# is sent as soon as there are 512 (the SDK's own number), at the latest after five seconds.
_QUEUED_SPANS = 4096
# For the last batch; a collector that hangs holds up no shutdown for longer.
_CLOSE_SECONDS = 2.0
_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}

Attributes = Mapping[str, str | int | float | bool | Sequence[str]]
SpanRole = Literal["server", "client"]

log = logging.getLogger(__name__)


class OpenSpan:
    """A span that is kept, until it is ended. `context` is what others refer to it by."""

    __slots__ = ("_span", "context")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.context = _context_of(span.get_span_context())

    @property
    def fields(self) -> dict[str, str]:
        """What a line in the log says of it."""
        return {"trace_id": self.context.trace_id.hex(), "span_id": self.context.span_id.hex()}

    def end(self, attributes: Attributes, *, failed: bool = False, name: str = "") -> None:
        """End it now, with what is known of it by now; `name` replaces its own."""
        self._span.set_attributes(dict(attributes))
        if name:
            self._span.update_name(name)
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Tracing:
    """Makes spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("ringback", version("ringback"))

    def start(
        self,
        name: str,
        role: SpanRole,
        parent: TraceContext | None,
        attributes: Attributes,
        *,
        link: TraceContext | None = None,
        started_ago: float = 0.0,
    ) -> OpenSpan | None:
        """Begin a span, `started_ago` seconds before now; None when it is not to be kept.

        Without a parent it begins a trace. `link` is a span of another trace that has led to it.
        """
        span = self._tracer.start_span(
            name,
            _under(parent),
            _KINDS[role],
            dict(attributes),
            [Link(_otel_context(link))] if link else None,
            start_time=_nanoseconds_ago(started_ago) if started_ago else None,
        )
        return OpenSpan(span) if span.get_span_context().trace_flags.sampled else None


@asynccontextmanager
async def open_tracing(endpoint: str, role: str) -> AsyncIterator[Tracing]:
    """Send traces to the collector at `endpoint` while it is open; `role` says which kind of process this is.

    Open it in the process that makes the spans: threads do not survive a fork.
    """
    # The exporter would log each failure, and the queue each span that it drops: `_ToldOnce` says it once. And what
    # is wrong with the headers is logged with the headers, which hold credentials.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    provider = TracerProvider(resource=_resource(role), shutdown_on_exit=False)
    queued = None if OTEL_BSP_MAX_QUEUE_SIZE in os.environ else _QUEUED_SPANS
    # A variable of the standard's may name another address for traces alone.
    address = None if OTEL_EXPORTER_OTLP_TRACES_ENDPOINT in os.environ else f"{endpoint}/v1/traces"
    exporter = _ToldOnce(OTLPSpanExporter(address))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=queued))
    try:
        yield Tracing(provider)
    finally:
        await _close(provider)
        exporter.silence()


class _ToldOnce(SpanExporter):
    """Exports, and tells when the collector no longer accepts traces, and when it does again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._silent = False

    def silence(self) -> None:
        """Tell nothing any more: what a thread is still at is not worth a line of whoever comes next."""
        self._silent = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 -- whatever it is, it costs these spans only
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            if not self._lost and not self._silent:
                log.warning("traces are lost: the collector does not accept them")
            self._lost += len(spans)
        elif self._lost:
            log.info("traces are accepted again", extra={"lost": self._lost})
            self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _resource(role: str) -> Resource:
    """Describe this process; what the standard's variables say wins."""
    own = {"service.name": f"ringback-{role}", "service.version": version("ringback")}
    told = Resource.create()
    named = told.attributes.get("service.name", "")
    if isinstance(named, str) and not named.startswith("unknown_service"):
        own["service.name"] = named
    return told.merge(Resource({**own, "ringback.role": role}))


async def _close(provider: TracerProvider) -> None:
    """Send what is left, unless that takes too long: then it is left to a thread that ends with the process."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        # Nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    Thread(target=shut_down, name="traces-closing", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await done.wait()


def _under(parent: TraceContext | None) -> Context:
    return set_span_in_context(NonRecordingSpan(_otel_context(parent)), Context()) if parent else Context()


def _otel_context(context: TraceContext) -> SpanContext:
    return SpanContext(
        int.from_bytes(context.trace_id),
        int.from_bytes(context.span_id),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([context.state]) if context.state else None,
    )


def _context_of(context: SpanContext) -> TraceContext:
    state = bounded_state(context.trace_state.to_header()) if context.trace_state else ""
    return TraceContext(
        context.trace_id.to_bytes(16), context.span_id.to_bytes(8), state, sampled=context.trace_flags.sampled
    )


def _nanoseconds_ago(seconds: float) -> int:
    return time_ns() - round(seconds * 1_000_000_000)
