"""What receivers are sent, for the OpenAPI document: an entry for each type of event, with a body as it is sent."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from app.api.schemas.common import EXAMPLE_SID
from app.api.schemas.event import DeliveredEvent, Ping
from app.domain.event import CallNames, Event, lost, payload
from app.domain.ping import make_ping

UNKNOWN = "call.{status}"

_CALL = CallNames("your-account-id", "your-project-id", EXAMPLE_SID)
_SUBSCRIPTION = "sub_0c1m842cp95qqrkphhnzx3"
# 2024-03-15T10:00:00Z, when the vendor's example call was created.
_BEGIN = 1710496800.0
_CHANCE = bytes(range(7))

_REACTIONS: dict[int | str, dict[str, Any]] = {
    "3XX": {"description": "A failure. Redirects are not followed."},
    410: {"description": "Disables the subscription: nothing is sent for it any more."},
    429: {
        "description": "A failure; tried again by the schedule, and not before `Retry-After` (at most 12 hours).",
        "headers": {"Retry-After": {"description": "Seconds, or an HTTP date.", "schema": {"type": "string"}}},
    },
    503: {
        "description": "The same as 429.",
        "headers": {"Retry-After": {"description": "Seconds, or an HTTP date.", "schema": {"type": "string"}}},
    },
    "default": {
        "description": "A failure, as is no answer within 15 s: tried again after 1 s, 5 s, 30 s, 2 min, 10 min, "
        "30 min, 1 h, 2 h, 6 h and 12 h (each ±20 %), then kept as `failed`, until it is retried by hand or replayed."
    },
}
_PING_REACTIONS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Told to whoever asked for the test. A ping is sent once, whatever the answer."}
}

WebhookId = Annotated[
    str,
    Header(
        alias="webhook-id",
        description="The event's id: the same at every attempt, and for all subscriptions of the call. With "
        "`data.subscription_id` it tells a repetition.",
        examples=["evt_recdg3lyic736tk6hfecg2tbl4"],
    ),
]
WebhookTimestamp = Annotated[
    int,
    Header(
        alias="webhook-timestamp",
        description="When this attempt was made, in Unix seconds. Refuse it when your clock is more than five "
        "minutes from it.",
        examples=[1710497130],
    ),
]
WebhookSignature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`; several of "
        "them, separated by spaces, while a secret is being rotated. Genuine if any of them matches.",
        examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
    ),
]


@dataclass(frozen=True, slots=True)
class _Told:
    """An event type: what it means, and an event of it with its place in its call."""

    summary: str
    description: str
    event: Event
    sequence: int


def _step(words: tuple[str, str, str], seconds: int, sequence: int, summary: str, description: str = "") -> _Told:
    """Make an event some seconds after the call began; `words` are its name, its status and the one before."""
    name, status, previous = words
    minutes, rest = divmod(seconds, 60)
    event = Event(name, 1, status, previous, f"2024-03-15T10:{minutes:02}:{rest:02}Z", _BEGIN + seconds + 1.204)
    return _Told(summary, description, event, sequence)


_FINAL = "Final: the last event of the call, for every subscription."
_TOLD = (
    _step(("created", "CREATED", ""), 0, 1, "The call was made."),
    _step(("queued", "queued", "CREATED"), 1, 2, "The call waits for its turn."),
    _step(("ringing", "ringing", "queued"), 5, 3, "It rings at the other end."),
    _step(("in_progress", "in-progress", "ringing"), 12, 4, "The call was answered."),
    _step(("completed", "completed", "in-progress"), 330, 5, "The call was answered, and is over.", _FINAL),
    _step(("failed", "failed", "queued"), 4, 3, "The call could not be made.", _FINAL),
    _step(("no_answer", "no-answer", "ringing"), 65, 4, "Nobody answered.", _FINAL),
    _step(("busy", "busy", "ringing"), 7, 4, "The line was busy.", _FINAL),
    _step(("cancelled", "cancelled", "queued"), 3, 3, "The call was called off before it was answered.", _FINAL),
    _Told(
        "The call can no longer be followed.",
        f"{_FINAL} It says nothing of how the call ended. `data.reason` says why: `not_found` (the upstream does not "
        "know the call), `expired` (it has forgotten it before its end was seen), `unauthorized` (it refuses the "
        "connector), `invalid_call_sid`, or `watch_expired` (it has not ended in the time that calls are followed).",
        lost("expired", "ringing", _BEGIN + 2.5, _BEGIN + 14402.5),
        4,
    ),
)
_TOLD_UNKNOWN = _step(
    ("on_hold", "on-hold", "in-progress"),
    40,
    5,
    "A status that Ringback has not heard of.",
    "The type is `call.` and the status in snake case; `data.status` has the upstream's spelling. Not final. Accept "
    "and ignore types that you do not know. (A status `lost` of the upstream becomes `call.upstream_lost`.)",
)


def event_examples() -> dict[str, dict[str, Any]]:
    """Return a delivery's body for each type of event, as it is sent."""
    named = {one.event.type: one for one in _TOLD} | {UNKNOWN: _TOLD_UNKNOWN}
    return {name: _body(one) for name, one in named.items()}


def webhooks() -> APIRouter:
    """Make the routes of the document's `webhooks`; nothing is served there."""
    router = APIRouter()
    examples = event_examples()
    for name, one in zip(examples, (*_TOLD, _TOLD_UNKNOWN), strict=True):
        shape: dict[str, Any] = {"example": examples[name]}
        if name != UNKNOWN:
            shape["schema"] = {"properties": {"type": {"const": name}}}
        description = one.description or one.summary
        router.add_api_route(
            name, _receive_event, responses=_REACTIONS, **_described(name, one.summary, description, shape)
        )
    ping = {"example": json.loads(make_ping(_BEGIN, _CHANCE).body)}
    about = _described("ping", "A test of a callback URL.", "What `POST /v1/callbacks/test` sends.", ping)
    router.add_api_route("ping", _receive_ping, responses=_PING_REACTIONS, **about)
    return router


def _body(one: _Told) -> dict[str, Any]:
    sent = payload(_CALL, one.event, sequence=one.sequence, subscription_id=_SUBSCRIPTION, metadata={"deal": "4711"})
    body: dict[str, Any] = json.loads(sent)
    return body


def _described(name: str, summary: str, description: str, shape: dict[str, Any]) -> dict[str, Any]:
    """Return what `add_api_route` is to know of a webhook whose body has this shape."""
    return {
        "methods": ["POST"],
        "operation_id": "receive_" + name.replace(".", "_").replace("{status}", "unknown"),
        "summary": summary,
        "description": description,
        "status_code": 204,
        "response_class": Response,
        "response_description": "Any 2xx: delivered. The next event follows.",
        "openapi_extra": {"requestBody": {"content": {"application/json": shape}}},
    }


async def _receive_event(
    event: DeliveredEvent,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Stand for a receiver, in the document alone."""


async def _receive_ping(
    ping: Ping,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Stand for a receiver, in the document alone."""
