"""A receiver for development: takes deliveries on any path, verifies each signature, and tells what came.

It verifies with the code that signs (`app.domain.signing`), answers 204, or 401 when the signature is wrong, and
keeps nothing. While no secret is known yet it accepts everything and says so.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.domain.errors import InvalidSecret, InvalidSignature
from app.domain.signing import verify

# A delivery with twenty metadata entries is a few kilobytes.
_MAX_BODY_BYTES = 1024 * 1024
_KEEP_ALIVE_SECONDS = 75

Secrets = Sequence[str] | Callable[[], Sequence[str]]

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Verified:
    """Signed with one of the secrets, and recent."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Answered with 401."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoSecret:
    """Nothing to verify with yet."""


Verdict = Verified | Rejected | NoSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request. What the sender did not say, or said in a shape that is not ours, is None."""

    received_at: float  # Unix seconds
    path: str
    verdict: Verdict
    webhook_id: str | None
    event_type: str | None
    sequence: int | None
    call_sid: str | None
    subscription_id: str | None
    status: str | None
    final: bool | None
    occurred_at: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerBehaviour:
    """How it answers a good delivery, to try out retries; a wrong signature gets its 401 all the same."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    # Only the first so many requests are treated so, the others as usual. None is all of them.
    first_requests: int | None = None


_USUAL = ListenerBehaviour()


def create_listener(
    secrets: Secrets, on_delivery: Callable[[Received], None], behaviour: ListenerBehaviour = _USUAL
) -> Starlette:
    """The application. `on_delivery` is called once per request, on the event loop, before it is answered."""
    listener = _Listener(secrets, on_delivery, behaviour)
    return Starlette(routes=[Route("/{path:path}", listener.receive, methods=["POST"])], max_body_size=_MAX_BODY_BYTES)


def run_listener(secrets: Secrets, host: str, port: int, *, behaviour: ListenerBehaviour = _USUAL) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, and print each delivery on a line of its own."""
    uvicorn.run(
        create_listener(secrets, lambda received: click.echo(describe(received)), behaviour),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )


def describe(received: Received) -> str:
    """One line for a terminal: when, which call, which event, and whether to believe it."""
    at = datetime.fromtimestamp(received.received_at, UTC).strftime("%H:%M:%S.%f")[:-3]
    number = "" if received.sequence is None else f"#{received.sequence}"
    event = f"{number:>3} {received.event_type or 'not an event':<18} {'final' if received.final else '':<5}"
    judgement = _judgement(received.verdict)
    line = f"{at}  {received.call_sid or received.path:<40}  {event}  {judgement}  {received.webhook_id or ''}"
    # Anybody can send to an open port: nothing of theirs may steer the terminal.
    return "".join(character if character.isprintable() else "?" for character in line).rstrip()


def _judgement(verdict: Verdict) -> str:
    match verdict:
        case Verified():
            return "verified"
        case Rejected(reason):
            return f"REJECTED: {reason}"
        case NoSecret():
            return "unverified (no secret)"


class _Listener:
    def __init__(self, secrets: Secrets, on_delivery: Callable[[Received], None], behaviour: ListenerBehaviour) -> None:
        self._secrets = secrets
        self._on_delivery = on_delivery
        self._behaviour = behaviour
        self._requests = 0

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        received_at = time.time()
        behaviour = self._next_behaviour()
        verdict = self._judge(request.headers, body, int(received_at))
        self._on_delivery(_read(request, body, received_at, verdict))
        if behaviour.delay_seconds:
            await asyncio.sleep(behaviour.delay_seconds)
        if isinstance(verdict, Rejected):
            return JSONResponse({"error": verdict.reason}, status_code=401)
        return Response(status_code=behaviour.status, headers=behaviour.headers)

    def _next_behaviour(self) -> ListenerBehaviour:
        self._requests += 1
        limit = self._behaviour.first_requests
        return self._behaviour if limit is None or self._requests <= limit else _USUAL

    def _judge(self, headers: Mapping[str, str], body: bytes, now: int) -> Verdict:
        secrets = self._secrets() if callable(self._secrets) else self._secrets
        if not secrets:
            return NoSecret()
        try:
            verify(secrets, headers, body, now)
        except (InvalidSignature, InvalidSecret) as refusal:
            return Rejected(str(refusal))
        return Verified()


def _read(request: Request, body: bytes, received_at: float, verdict: Verdict) -> Received:
    document = _object(body)
    data = document.get("data")
    if not isinstance(data, dict):
        data = {}
    return Received(
        received_at=received_at,
        path=request.url.path,
        verdict=verdict,
        webhook_id=request.headers.get("webhook-id"),
        event_type=_typed(document.get("type"), str),
        sequence=_typed(data.get("sequence"), int),
        call_sid=_typed(data.get("call_sid"), str),
        subscription_id=_typed(data.get("subscription_id"), str),
        status=_typed(data.get("status"), str),
        final=_typed(data.get("final"), bool),
        occurred_at=_typed(data.get("occurred_at"), str),
        body=body,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _typed(value: object, kind: type[_Kind]) -> _Kind | None:
    return value if isinstance(value, kind) else None
