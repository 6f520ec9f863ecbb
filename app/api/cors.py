"""Scripts of other origins: refused by the browser, unless the operator names their origins."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

# What requests bring beside what every browser may send, and what their answers tell.
_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-CONNECTOR-ID",
    "X-Request-Id",
)
_ANSWER_HEADERS = (
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Ringback-Next-Since",
    "X-Request-Id",
)
_PREFLIGHT_SECONDS = 600


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let scripts of these origins read answers; of none, and no header is ever sent, when there are none.

    Cookies are not involved: a request is known by its key, which a script of another origin does not have.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_ANSWER_HEADERS,
            max_age=_PREFLIGHT_SECONDS,
        )
