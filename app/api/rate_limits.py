"""What a tenant whose requests are bounded is told with each answer: `RateLimit` and `RateLimit-Policy`.

They are those of draft-ietf-httpapi-ratelimit-headers: the policy says that `q` requests may be made within `w`
seconds, the limit that `r` of them remain, and after how many seconds (`t`) without a request all of them do.
"""

import math
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.tenant import RateStanding

_STATE = "rate_standing"
_POLICY = "requests"
_TEXT = {"type": "string"}
# The headers of a 429 as the OpenAPI document shows them.
DOCUMENTED_HEADERS = {
    "Retry-After": {"description": "Seconds to wait before the next request.", "schema": {"type": "integer"}},
    "RateLimit-Policy": {
        "description": 'With a bound on requests per second: `"requests";q=<requests>;w=<seconds>`. Other answers to '
        "such a tenant have it too.",
        "schema": _TEXT,
    },
    "RateLimit": {
        "description": 'Likewise: `"requests";r=<requests that remain>;t=<seconds until all of them do>`.',
        "schema": _TEXT,
    },
}


def note_rate(scope: Scope, standing: RateStanding | None) -> None:
    """Have a request's answer tell how its tenant stands, whatever becomes of the request."""
    if standing is not None:
        scope.setdefault("state", {})[_STATE] = standing


def rate_limit_headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return what is to be told with the answer to a request; nothing where nothing is bounded."""
    standing = scope.get("state", {}).get(_STATE)
    if not isinstance(standing, RateStanding):
        return {}
    return {
        "RateLimit-Policy": f'"{_POLICY}";q={standing.limit};w=1',
        "RateLimit": f'"{_POLICY}";r={standing.remain};t={math.ceil(standing.full_after)}',
    }


class RateLimitHeaders:
    """Tells of the rate with each answer that comes from within, errors among them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_rate(message: Message) -> None:
            if message["type"] == "http.response.start" and _STATE in scope.get("state", ()):
                MutableHeaders(scope=message).update(rate_limit_headers(scope))
            await send(message)

        await self._app(scope, receive, send_with_rate)
