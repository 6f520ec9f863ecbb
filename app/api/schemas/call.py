"""Calls."""

from typing import Self

from pydantic import BaseModel, Field

from app.api.schemas.common import EXAMPLE_SID, Timestamp
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
    account_id: str
    project_id: str
    client_env: str | None = Field(examples=["production"])
    status: str | None = Field(description="The upstream's word; null before its first answer.", examples=["ringing"])
    final_event: str | None = Field(description="The type of the final event.", examples=["call.completed"])
    lost_reason: str | None = Field(description="With `call.lost`: why the call could no longer be followed.")
    created_at: Timestamp | None
    last_updated: Timestamp | None
    event_history: list[HistoryEntry]
    polling: Polling

    @classmethod
    def of(cls, kept: KeptCall) -> Self:
        watch, snapshot = kept.watch, kept.watch.snapshot
        final = next((event for event in reversed(kept.events) if event.final), None)
        return cls(
            call_sid=watch.key.call_sid,
            account_id=watch.key.account_id,
            project_id=watch.key.project_id,
            client_env=snapshot.client_env or None,
            status=snapshot.status or None,
            final_event=final.type if final else None,
            lost_reason=watch.lost,
            created_at=snapshot.created_at or None,
            last_updated=snapshot.last_updated or None,
            event_history=[
                HistoryEntry(status=event.status, timestamp=event.occurred_at)
                for event in kept.events
                if not event.reason
            ],
            polling=Polling(
                polls=kept.polls,
                last_polled_at=format_unix(kept.last_polled_at) if kept.polls else None,
                next_poll_at=format_unix(kept.next_poll_at) if kept.next_poll_at else None,
                watched_since=format_unix(watch.registered_at),
                consecutive_failures=watch.trouble.failures,
            ),
        )
