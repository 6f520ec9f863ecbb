"""Calls and their events."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, Field

from app.api.schemas.common import EXAMPLE_SID, NextCursor, Timestamp
from app.domain.event import CallNames, Event, LostReason, event_data
from app.domain.timestamps import format_unix
from app.store.watches import KeptCall


class HistoryEntry(BaseModel):
    """A status that the call has had."""

    status: str = Field(description="As the upstream writes it.", examples=["in-progress"])
    timestamp: Timestamp


class Polling(BaseModel):
    """How following the call goes."""

    polls: int = Field(description="How often the upstream has been asked.")
    last_polled_at: Timestamp | None
    next_poll_at: Timestamp | None = Field(description="When it is asked next, about; null when it is not any more.")
    watched_since: Timestamp
    consecutive_failures: int = Field(description="How often in a row the upstream has not given a status.")


class Call(BaseModel):
    """What is kept of a call, also when the upstream has long forgotten it."""

    call_sid: str = Field(examples=[EXAMPLE_SID])
    account_id: str = Field(examples=["your-account-id"])
    project_id: str = Field(examples=["your-project-id"])
    client_env: str | None = Field(examples=["production"])
    status: str | None = Field(description="The upstream's word; null before its first answer.", examples=["ringing"])
    final_event: str | None = Field(
        description="The type of the final event; null while there is none.", examples=["call.completed"]
    )
    lost_reason: LostReason | None = Field(description="With `call.lost`: why the call could no longer be followed.")
    created_at: Timestamp | None = Field(description="When the call was made, by the upstream.")
    last_updated: Timestamp | None = Field(description="When its status changed last, by the upstream.")
    event_history: list[HistoryEntry] = Field(description="Every status that the call has had, in order.")
    polling: Polling

    @classmethod
    def of(cls, kept: KeptCall) -> Self:
        return cls(**facts_of(kept))


def facts_of(kept: KeptCall) -> dict[str, Any]:
    """Return the fields of a `Call`."""
    watch, answer, final = kept.watch, kept.last_answer, kept.final
    return {
        "call_sid": watch.key.call_sid,
        "account_id": watch.key.account_id,
        "project_id": watch.key.project_id,
        "client_env": answer and (answer.client_env or None),
        "status": answer and answer.status,
        "final_event": final and final.type,
        "lost_reason": watch.lost,
        "created_at": answer and (answer.created_at or None),
        "last_updated": answer and (answer.last_updated or None),
        "event_history": [
            HistoryEntry(status=step.status, timestamp=step.at) for step in (answer.history if answer else ())
        ],
        "polling": Polling(
            polls=kept.polls,
            last_polled_at=format_unix(kept.last_polled_at) if kept.polls else None,
            next_poll_at=format_unix(kept.next_poll_at) if kept.next_poll_at else None,
            watched_since=format_unix(watch.registered_at),
            consecutive_failures=watch.trouble.failures,
        ),
    }


class CallList(BaseModel):
    """Some calls, those first that were subscribed to last."""

    items: list[Call]
    next_cursor: NextCursor


class CallEventData(BaseModel):
    """What has happened."""

    event_id: str = Field(
        description="The `webhook-id` of its deliveries.", examples=["evt_3dm4c5zpyrv4wgs6mvwcj5q2fe"]
    )
    sequence: int = Field(description="Its place among the call's events, from 1.", examples=[5])
    final: bool = Field(description="Whether it is the call's last event.", examples=[True])
    status: str = Field(description="As the upstream writes it.", examples=["completed"])
    previous_status: str | None = Field(examples=["in-progress"])
    call_sid: str = Field(examples=[EXAMPLE_SID])
    account_id: str = Field(examples=["your-account-id"])
    project_id: str = Field(examples=["your-project-id"])
    occurred_at: Timestamp = Field(description="When it happened, by the upstream.")
    observed_at: Timestamp = Field(description="When it was seen here.")
    reason: LostReason | None = Field(
        None, description="With `call.lost` only: why the call could no longer be followed.", examples=["expired"]
    )


class CallEvent(BaseModel):
    """An event as it is sent to receivers, without what belongs to one subscription."""

    type: str = Field(examples=["call.completed"])
    timestamp: Timestamp = Field(description="When it happened, by the upstream.")
    data: CallEventData

    @classmethod
    def of(cls, call: CallNames, sequence: int, event: Event) -> Self:
        """Make the document; `reason` stays unset, and so out of the answer, where there is none."""
        data = CallEventData.model_validate(event_data(call, event, sequence))
        return cls(type=event.type, timestamp=event.occurred_at, data=data)


def events_of(call: CallNames, events: Sequence[Event], first: int = 1) -> list[CallEvent]:
    """Return the documents of events that follow each other; `first` is the first one's sequence."""
    return [CallEvent.of(call, sequence, event) for sequence, event in enumerate(events, first)]


class CallEventList(BaseModel):
    """Some events of a call, in order."""

    items: list[CallEvent]
    next_cursor: NextCursor


class ExportedCall(Call):
    """A call that has ended, with its events: one line of an export."""

    events: list[CallEvent]
    ended_at: Timestamp = Field(description="When the call ended, by the upstream.")
    final_at: Timestamp = Field(description="When its final event was observed here; `since` goes by this.")
    cursor: str = Field(description="Where to go on, should this line be the last that arrives.")

    @classmethod
    def line(cls, kept: KeptCall, final: Event, cursor: str) -> str:
        """Return the line of a call that `final` has ended."""
        exported = cls(
            **facts_of(kept),
            events=events_of(CallNames.of(kept.watch.key), kept.events),
            ended_at=final.occurred_at,
            final_at=format_unix(final.observed_at),
            cursor=cursor,
        )
        # What is unset is the reason where there is none.
        return exported.model_dump_json(exclude_unset=True) + "\n"
