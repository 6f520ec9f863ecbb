"""Asking the vendor how a call goes: one request, bounded in time and size, its answer made an outcome."""

import math
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
)
from app.domain.call import CallKey
from app.domain.dialect import WrittenAnswer
from app.domain.errors import MalformedAnswer
from app.domain.retry_after import retry_after_seconds
from app.outbound.http import USER_AGENT, Answer, Exchange, NoAnswer, exchange, open_client, parse_url

# Longer than the slowest pace, so that a call's polls find a connection; a request that meets one which the
# server has just closed is sent again on a new one.
_KEEPALIVE_SECONDS = 45.0
_ERRORS = {400: dialect.INVALID_CALL_SID, 401: dialect.INVALID_CONNECTOR, 404: dialect.UNKNOWN_CALL}


@asynccontextmanager
async def open_upstream(
    base_url: str, *, timeout_seconds: float, max_connections: int, now: Callable[[], float]
) -> AsyncIterator["UpstreamClient"]:
    """Open a client for the vendor's platform at `base_url`; `now` returns Unix seconds."""
    async with open_client(max_connections=max_connections, keepalive_seconds=_KEEPALIVE_SECONDS) as client:
        yield UpstreamClient(client, base_url, timeout_seconds, now)


class UpstreamClient:
    """The vendor's call status endpoint at `base_url`, over connections that are kept open."""

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, timeout_seconds: float, now: Callable[[], float]
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._now = now

    async def status(self, key: CallKey) -> PollOutcome:
        """Ask for a call's status. Never raises for what the upstream answers, or fails to."""
        match await self._ask(key):
            case NoAnswer(error):
                return Failed(str(error))
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
        request = httpx.Request(
            "GET",
            parse_url(self._base_url + dialect.status_path(key)),
            headers={
                dialect.CONNECTOR_HEADER: key.connector_id,
                "accept": "application/json",
                "user-agent": USER_AGENT,
            },
        )
        return await exchange(
            self._client,
            request,
            deadline_seconds=self._timeout_seconds,
            max_body_bytes=dialect.MAX_BODY_BYTES,
        )

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
