"""Requests counted and timed, by the template of their route.

Nothing that a client sends becomes a label: an address that no route has is `other`, and so are methods and statuses
out of the ordinary.
"""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.route_names import METHODS, OTHER, route_of
from app.telemetry import metrics

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

_STATUSES = frozenset(HTTPStatus)


class Measuring:
    """Measures each request until its answer begins: what is streamed may go on for as long as somebody listens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Bound to their labels once.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = answered = time.perf_counter()
        # Which is what a client gets where the application fails before it has answered.
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR

        async def send_measured(message: Message) -> None:
            nonlocal answered, status
            if message["type"] == "http.response.start":
                answered, status = time.perf_counter(), message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_measured)
        finally:
            self._count(scope, status, (answered if answered > began else time.perf_counter()) - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        key = (scope["method"] if scope["method"] in METHODS else OTHER, route, status)
        if (counter := self._counters.get(key)) is None:
            labels = (*key[:2], str(status) if status in _STATUSES else OTHER)
            counter = self._counters[key] = metrics.HTTP_REQUESTS.labels(*labels)
        counter.inc()
        if (timer := self._timers.get(route)) is None:
            timer = self._timers[route] = metrics.HTTP_SECONDS.labels(route)
        timer.observe(seconds)
