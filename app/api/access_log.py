"""One line for each request: who asked for what, and what came of it.

The server's own line is off, since it tells the whole address; this one tells the route. It costs about as much as the
line of a new subscription, a hundredth of what a registration costs.
"""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.route_names import is_probe, route_of

FAILED = 500

log = logging.getLogger(__name__)


class Noting:
    """Sends an answer, and notes its status: 500 until there is one, for that is what a caller then gets."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = FAILED

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class AccessLog:
    """Writes the line of each request but those of probes, which come every few seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self._app(scope, receive, send)
            return
        began, noting = perf_counter(), Noting(send)
        try:
            await self._app(scope, receive, noting)
        finally:
            level = logging.INFO if noting.status < FAILED else logging.WARNING
            if log.isEnabledFor(level):
                about = {
                    "method": scope["method"],
                    "route": route_of(scope),
                    "status_code": noting.status,
                    "duration_ms": round((perf_counter() - began) * 1000),
                }
                if tenant := scope["state"].get("tenant"):
                    about["tenant_id"] = tenant.id
                log.log(level, "request", extra=about)
