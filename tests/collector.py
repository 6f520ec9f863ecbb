"""A collector of traces: real OTLP over HTTP, read with the standard's own messages."""

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.peers import PATIENCE_SECONDS, eventually


@dataclass(frozen=True)
class SeenSpan:
    """A span as a collector knows it; ids in hexadecimal, `parent` empty for the first of a trace."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    state: str
    failed: bool
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    role: str
    seconds: float


@dataclass
class Collector:
    """Keeps the spans that it is sent, and every byte; answers `status`, or, while it `hangs`, nothing at all."""

    status: int = 200
    hangs: bool = False
    spans: list[SeenSpan] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def until(self, name: str, count: int, trace: str = "", seconds: float = PATIENCE_SECONDS) -> list[SeenSpan]:
        """Wait for so many spans of a name, of one trace or any, and return them."""

        async def there() -> bool:
            return len(self.named(name, trace)) >= count

        await eventually(there, f"{count} spans {name!r}", seconds)
        return self.named(name, trace)

    def named(self, name: str, trace: str = "") -> list[SeenSpan]:
        return [span for span in self.spans if span.name == name and (not trace or span.trace == trace)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        self.received.append(body)
        self.paths.append(request.url.path)
        self.headers.append(dict(request.headers))
        if self.hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if self.status == 200:
            self._keep(body)
        await Response(b"", self.status, media_type="application/x-protobuf")(scope, receive, send)

    def _keep(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(group.resource.attributes)
            for scoped in group.scope_spans:
                self.spans += [_seen(span, str(resource["service.name"])) for span in scoped.spans]


def _seen(span: Any, role: str) -> SeenSpan:
    return SeenSpan(
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        state=span.trace_state,
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        role=role,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000_000,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
