"""One line for each request: who asked for what, and what came of it.

The server's own line is off, since it tells the whole address; this one tells the route. It costs about as much as the
line of a new subscription, a hundredth of what a registration costs.
"""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_FAILED = 500
_OTHER = "other"

log = logging.getLogger(__name__)


class AccessLog:
    """Writes the line of each request but those of probes, which come every few seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), _FAILED

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            level = logging.INFO if status < _FAILED else logging.WARNING
            if log.isEnabledFor(level):
                about = {
                    "method": scope["method"],
                    "route": route_of(scope),
                    "status_code": status,
                    "duration_ms": round((perf_counter() - began) * 1000),
                }
                if tenant := scope["state"].get("tenant"):
                    about["tenant_id"] = tenant.id
                log.log(level, "request", extra=about)


def is_probe(scope: Scope) -> bool:
    return scope["path"] in _PROBES


def route_of(scope: Scope) -> str:
    """Return the route that a request took, such as `/v1/calls/{call_sid}`; `other` where there is none."""
    return getattr(scope.get("route"), "path", _OTHER)
