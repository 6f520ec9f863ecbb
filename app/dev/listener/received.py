"""What is known of one delivery: what it says of itself, what to think of it, and what it was answered with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from app.domain.timestamps import unix_seconds

# No call has so many events; what claims to be further is not ours, and would fill the screen.
_MOST_SEQUENCE = 999_999

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


@dataclass(frozen=True, slots=True)
class Streamed:
    """Read from a stream of the API, which bears no signature."""


Verdict = Verified | Rejected | NoSecret | Streamed


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One delivery. What the sender did not say, or said in a shape that is not ours, is None.

    `answer` is a status such as "204", or how the connection was broken off; empty where nothing is answered.
    """

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
    observed_at: str | None = None
    account_id: str | None = None
    project_id: str | None = None
    answer: str = ""
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def seen_seconds(self) -> float | None:
        """How long after Ringback saw the transition this came."""
        return self._seconds_after(self.observed_at)

    @property
    def occurred_seconds(self) -> float | None:
        """How long after the upstream's time of the transition this came."""
        return self._seconds_after(self.occurred_at)

    def _seconds_after(self, text: str | None) -> float | None:
        instant = unix_seconds(text) if text else None
        return None if instant is None else self.received_at - instant


def read_delivery(
    body: bytes, *, received_at: float, path: str, verdict: Verdict, webhook_id: str | None, answer: str = ""
) -> Received:
    """Read a delivery's body, whatever it is."""
    document = _object(body)
    data = document.get("data")
    if not isinstance(data, dict):
        data = {}
    sequence = _typed(data.get("sequence"), int)
    return Received(
        received_at=received_at,
        path=path,
        verdict=verdict,
        webhook_id=webhook_id,
        event_type=_typed(document.get("type"), str),
        sequence=sequence if sequence is not None and 0 <= sequence <= _MOST_SEQUENCE else None,
        call_sid=_typed(data.get("call_sid"), str),
        subscription_id=_typed(data.get("subscription_id"), str),
        status=_typed(data.get("status"), str),
        final=_typed(data.get("final"), bool),
        occurred_at=_typed(data.get("occurred_at"), str),
        observed_at=_typed(data.get("observed_at"), str),
        account_id=_typed(data.get("account_id"), str),
        project_id=_typed(data.get("project_id"), str),
        body=body,
        answer=answer,
        document=document,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


def _typed(value: object, kind: type[_Kind]) -> _Kind | None:
    # Not isinstance: True is no number here.
    return value if type(value) is kind else None  # type: ignore[return-value,unused-ignore]
