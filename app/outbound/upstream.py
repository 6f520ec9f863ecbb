"""Asking the vendor how a call goes: one request, bounded in time and size, its answer made an outcome."""

import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from app.domain import dialect
from app.domain.cadence import (
    RETRY_AFTER_MAX_SECONDS,
    Answered,
    Failed,
    InvalidSid,
    NotFound,
    PollOutcome,
    Unauthorized,
    Unchanged,
)
from app.domain.call import CallKey
from app.domain.dialect import WrittenAnswer
from app.domain.errors import MalformedAnswer
from app.domain.retry_after import retry_after_seconds
from app.outbound.dialling import Dialler
from app.outbound.egress import open_connector
from app.outbound.http import USER_AGENT, Answer, ErrorClass, Exchange, NoAnswer, tls_context
from app.outbound.http1 import Bounds
from app.outbound.origin import Origin

# Longer than the slowest pace, so that a call's polls find a connection; a request that meets one which the
# server has just closed is sent again on a new one.
_KEEPALIVE_SECONDS = 45.0
_OWN_HEADERS = f"accept: application/json\r\naccept-encoding: identity\r\nuser-agent: {USER_AGENT}\r\n"
# What RFC 9110 allows of a header's value and every server reads alike (section 5.5): visible ASCII, blanks within.
_MAY_BE_SENT = re.compile(r"[!-~](?:[ \t!-~]*[!-~])?")
_ERRORS = {400: dialect.INVALID_CALL_SID, 401: dialect.INVALID_CONNECTOR, 404: dialect.UNKNOWN_CALL}


@asynccontextmanager
async def open_upstream(
    base_url: str, *, timeout_seconds: float, now: Callable[[], float]
) -> AsyncIterator["UpstreamClient"]:
    """Open a client for the vendor's platform at `base_url`; `now` returns Unix seconds.

    It opens as many connections as requests are made at once: whoever makes them bounds them.
    """
    client = UpstreamClient(base_url, timeout_seconds, now)
    try:
        yield client
    finally:
        await client.aclose()


class UpstreamClient:
    """The vendor's call status endpoint at `base_url`, over connections that are kept open."""

    def __init__(self, base_url: str, timeout_seconds: float, now: Callable[[], float]) -> None:
        url = httpx.URL(base_url)
        connector = open_connector(max_connections=0, tls=tls_context(), keepalive_seconds=_KEEPALIVE_SECONDS)
        self._dialler = Dialler(connector)
        self._origin = Origin(self._dialler, base_url, _KEEPALIVE_SECONDS)
        self._path = url.raw_path.decode().rstrip("/")
        self._headers = f"host: {url.netloc.decode()}\r\n{_OWN_HEADERS}"
        self._bounds = Bounds(timeout_seconds, dialect.MAX_BODY_BYTES)
        self._now = now

    async def aclose(self) -> None:
        """Close every connection."""
        await self._origin.aclose()
        await self._dialler.aclose()

    async def status(self, key: CallKey, fingerprint: bytes = b"") -> PollOutcome:
        """Ask for a call's status. Never raises for what the upstream answers, or fails to.

        `fingerprint` is that of the answer which is known already.
        """
        match await self._ask(key):
            case NoAnswer(error):
                return Failed(str(error))
            case Answer(status_code=200, truncated=False, body=body) if dialect.fingerprint(body) == fingerprint:
                return Unchanged()
            case Answer() as answer:
                return self._outcome(answer, key)

    async def relay(self, key: CallKey) -> WrittenAnswer:
        """Ask for a call's status, and return what a client of the upstream may be handed. Never raises either.

        A body is handed on as it came, if it is the call's status or a JSON object that tells of an error the
        vendor's page names. Everything else is the vendor's 500; headers are not handed on at all.
        """
        match await self._ask(key):
            case Answer() as answer:
                return self._relayed(answer, key)
            case _:
                return dialect.UPSTREAM_FAILED

    async def _ask(self, key: CallKey) -> Exchange:
        if not _MAY_BE_SENT.fullmatch(key.connector_id):
            return NoAnswer(ErrorClass.PROTOCOL, 0.0)
        request = (
            f"GET {self._path}{dialect.status_path(key)} HTTP/1.1\r\n"
            f"{dialect.CONNECTOR_HEADER}: {key.connector_id}\r\n{self._headers}\r\n"
        )
        return await self._origin.exchange(request.encode("ascii"), self._bounds)

    def _outcome(self, answer: Answer, key: CallKey) -> PollOutcome:
        match answer.status_code:
            case 200:
                return _read(answer, key)
            case 400:
                return InvalidSid()
            case 401:
                return Unauthorized()
            case 404:
                return NotFound()
            case code:
                return Failed(f"http_{code}", self._retry_after(answer))

    def _relayed(self, answer: Answer, key: CallKey) -> WrittenAnswer:
        match answer.status_code:
            case 200 if isinstance(_read(answer, key), Answered) and dialect.echoes_connector(answer.body, key):
                return WrittenAnswer(200, answer.body)
            case 400 | 401 | 404 | 500 if not answer.truncated and dialect.is_document(answer.body):
                return WrittenAnswer(answer.status_code, answer.body)
            case 400 | 401 | 404:
                return _ERRORS[answer.status_code]
            case 429 | 503:
                seconds = min(max(self._retry_after(answer), 1.0), RETRY_AFTER_MAX_SECONDS)
                return WrittenAnswer(503, dialect.UPSTREAM_FAILED.body, math.ceil(seconds))
            case _:
                return dialect.UPSTREAM_FAILED

    def _retry_after(self, answer: Answer) -> float:
        return retry_after_seconds(answer.headers.get("retry-after"), self._now())


def _read(answer: Answer, key: CallKey) -> PollOutcome:
    if answer.truncated:
        return Failed("too_large")
    try:
        return Answered(dialect.parse_answer(answer.body, key))
    except MalformedAnswer:
        return Failed("malformed")
