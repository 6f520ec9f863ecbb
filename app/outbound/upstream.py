"""Asking the vendor how a call goes: one request, bounded in time and size, its answer made an outcome."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from app.domain import dialect
from app.domain.cadence import Answered, Failed, InvalidSid, NotFound, PollOutcome, Unauthorized
from app.domain.call import CallKey
from app.domain.errors import MalformedAnswer
from app.domain.retry_after import retry_after_seconds
from app.outbound.http import USER_AGENT, Answer, NoAnswer, exchange, open_client, parse_url

# Longer than the slowest pace, so that a call's polls find a connection; a request that meets one which the
# server has just closed is sent again on a new one.
_KEEPALIVE_SECONDS = 45.0


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
        request = httpx.Request(
            "GET",
            parse_url(self._base_url + dialect.status_path(key)),
            headers={
                dialect.CONNECTOR_HEADER: key.connector_id,
                "accept": "application/json",
                "user-agent": USER_AGENT,
            },
        )
        result = await exchange(
            self._client,
            request,
            deadline_seconds=self._timeout_seconds,
            max_body_bytes=dialect.MAX_BODY_BYTES,
        )
        match result:
            case NoAnswer():
                return Failed(str(result.error))
            case Answer():
                return self._outcome(result, key)

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
                return Failed(f"http_{code}", retry_after_seconds(answer.headers.get("retry-after"), self._now()))


def _read(answer: Answer, key: CallKey) -> PollOutcome:
    if answer.truncated:
        return Failed("too_large")
    try:
        return Answered(dialect.parse_answer(answer.body, key))
    except MalformedAnswer:
        return Failed("malformed")
