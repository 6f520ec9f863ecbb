"""The span of a request, where tracing is on: it continues its caller's trace, or begins one.

FastAPI can make spans too. They tell the path and the query, where SIDs and whatever a caller puts there stand,
are three a request, and hang on a provider that is the whole process's; this one tells the route and what came of it.
"""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access_log import FAILED, Noting
from app.api.route_names import METHODS, is_probe, route_of
from app.telemetry.log import bind
from app.telemetry.trace_context import TraceContext, read_context

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing


class RequestSpans:
    """Makes a span of each request but those of probes, and binds its ids to the request's lines in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tracing: Tracing | None = scope["app"].state.backend.resources.tracing if scope["type"] == "http" else None
        if tracing is None or is_probe(scope):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        span = tracing.start(method, "server", _caller(scope), {"http.request.method": method})
        if span is None:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["trace"] = span.context
        bind(**span.fields)
        noting = Noting(send)
        try:
            await self._app(scope, receive, noting)
        finally:
            route = route_of(scope)
            about = {"http.route": route, "http.response.status_code": noting.status, "url.scheme": scope["scheme"]}
            span.end(about, failed=noting.status >= FAILED, name=f"{method} {route}")


def trace_of(request: Request) -> TraceContext | None:
    """Return the span of a request, None where it has none."""
    trace: TraceContext | None = request.scope["state"].get("trace")
    return trace


def _caller(scope: Scope) -> TraceContext | None:
    """Read what the caller says of its trace; one that says two things says nothing."""
    parents = [value for name, value in scope["headers"] if name == b"traceparent"]
    states = [value for name, value in scope["headers"] if name == b"tracestate"]
    if len(parents) != 1:
        return None
    return read_context(parents[0].decode("latin-1").strip(), b",".join(states).decode("latin-1"))
