"""Events: immutable facts about a call, their ids and the bytes that are signed and sent."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from app.domain.call import LOST, TERMINAL, CallKey, Transition
from app.domain.timestamps import format_unix

LostReason = Literal["not_found", "expired", "unauthorized", "invalid_call_sid", "watch_expired"]
FINAL_NAMES = TERMINAL | {LOST}
_REMEMBERED_IDS = 4096
_COMPACT = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """A transition of a call as it was written down; its place in the call's list is its sequence.

    `name` is the type without `call.`, `previous` the status of the event before (empty for the first),
    `occurred_at` the upstream's time as RFC 3339 or, where it gave none, ours. `observed_at` is in Unix
    seconds. `reason` is empty but for `call.lost`.
    """

    name: str
    occurrence: int
    status: str
    previous: str
    occurred_at: str
    observed_at: float
    reason: str = ""

    @property
    def type(self) -> str:
        return f"call.{self.name}"

    @property
    def final(self) -> bool:
        return self.name in FINAL_NAMES


def from_transition(step: Transition, previous: str, observed_at: float) -> Event:
    """Write down a transition that was seen at `observed_at`."""
    occurred_at = step.at or format_unix(observed_at)
    return Event(step.name, step.occurrence, step.status, previous, occurred_at, observed_at)


def lost(reason: LostReason, previous: str, watched_since: float, observed_at: float) -> Event:
    """Write down that the call can no longer be followed.

    The time since when it was followed takes the place of the occurrence, so that losing a call that was
    registered anew is another event than losing it before.
    """
    occurrence = int(watched_since * 1000)
    return Event(LOST, occurrence, LOST, previous, format_unix(observed_at), observed_at, reason)


@dataclass(frozen=True, slots=True)
class CallNames:
    """What a payload says of the call: its key without the credential."""

    account_id: str
    project_id: str
    call_sid: str

    @classmethod
    def of(cls, key: CallKey) -> "CallNames":
        return cls(key.account_id, key.project_id, key.call_sid)


# One event goes to as many subscriptions as its call has.
@lru_cache(_REMEMBERED_IDS)
def event_id(call: CallNames, event: Event) -> str:
    """Return the event's id, a function of the call and the transition alone.

    The same poll done twice, by two workers or after a crash, makes the same id.
    """
    identity = [call.account_id, call.project_id, call.call_sid, event.name, event.occurrence]
    digest = hashlib.sha256(json.dumps(identity).encode()).digest()[:16]
    return "evt_" + base64.b32encode(digest).decode().rstrip("=").lower()


def event_data(
    call: CallNames,
    event: Event,
    sequence: int,
    of_subscription: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return what is told of an event, in the documented order; `reason` only where there is one.

    What belongs to one subscription stands behind the call's names, and `more` before the reason.
    """
    return {
        "event_id": event_id(call, event),
        "sequence": sequence,
        "final": event.final,
        "status": event.status,
        "previous_status": event.previous or None,
        "call_sid": call.call_sid,
        "account_id": call.account_id,
        "project_id": call.project_id,
        **(of_subscription or {}),
        "occurred_at": event.occurred_at,
        "observed_at": format_unix(event.observed_at),
        **(more or {}),
        **({"reason": event.reason} if event.reason else {}),
    }


def document(
    call: CallNames,
    event: Event,
    sequence: int,
    of_subscription: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """Return an event as it is written down, ASCII in one line; see `event_data`."""
    data = event_data(call, event, sequence, of_subscription, more)
    return _COMPACT.encode({"type": event.type, "timestamp": event.occurred_at, "data": data}).encode()


def payload(
    call: CallNames,
    event: Event,
    *,
    sequence: int,
    subscription_id: str,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the body of a delivery: the same bytes at every attempt, ASCII, keys in the documented order."""
    return document(call, event, sequence, {"subscription_id": subscription_id}, {"metadata": dict(metadata)})
