"""Deliveries."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas.common import EXAMPLE_SID, EXAMPLE_URL, NextCursor, Timestamp
from app.api.schemas.subscription import MASK
from app.domain.delivery import DeliveryStatus
from app.domain.timestamps import format_unix
from app.service.sent_requests import SentRequest as RebuiltRequest
from app.store.deliveries import LoggedAttempt
from app.store.delivery_records import Delivery as StoredDelivery


class Attempt(BaseModel):
    """One POST."""

    at: Timestamp
    status_code: int | None = Field(description="What the receiver answered; null without an answer.", examples=[503])
    error: str | None = Field(
        description="Why there was no answer, such as `timeout` or `tls`; null where there was one.", examples=[None]
    )
    duration_ms: int = Field(examples=[87])
    response_excerpt: str = Field(
        description="The beginning of the answer's body, read as UTF-8.", examples=["upstream connect error"]
    )

    @classmethod
    def of(cls, logged: LoggedAttempt) -> Self:
        return cls(
            at=format_unix(logged.at),
            status_code=logged.status_code or None,
            error=logged.error or None,
            duration_ms=logged.duration_ms,
            response_excerpt=logged.excerpt.decode(errors="replace"),
        )


class Delivery(BaseModel):
    """One event on its way to one subscription."""

    id: str = Field(examples=["dlv_0c1m842cp95qqrkphhnzx30005"])
    subscription_id: str = Field(examples=["sub_0c1m842cp95qqrkphhnzx3"])
    call_sid: str = Field(examples=[EXAMPLE_SID])
    event_id: str = Field(description="The `webhook-id` of each attempt.", examples=["evt_mfqwcylbmfqwcylbmfqwcylbme"])
    event_type: str = Field(examples=["call.completed"])
    sequence: int = Field(description="The event's place among its call's events, from 1 on.", examples=[5])
    final: bool = Field(description="Whether the event ends the call.")
    status: DeliveryStatus = Field(
        description="`pending` until it has arrived or is given up; `delivered`; `failed` after the last attempt of "
        "the schedule; `cancelled` when its subscription ended before it arrived.",
    )
    created_at: Timestamp = Field(description="When Ringback saw the event.")
    next_attempt_at: Timestamp | None = Field(
        description="When it is tried next. Null when it is not, and while it is being tried, waits for an event "
        "before it or is paused.",
    )
    attempts_count: int = Field(description="How many attempts are logged.", examples=[2])
    last_attempt_at: Timestamp | None
    last_status_code: int | None = Field(description="What the receiver answered last; null without an answer.")
    last_error: str | None = Field(description="Why there was no answer last.")

    @classmethod
    def of(cls, stored: StoredDelivery) -> Self:
        return cls(**_fields(stored))


class SentRequest(BaseModel):
    """What an attempt sent, put together again."""

    url: str = Field(description="The subscription's `callback_url` as it is now.", examples=[EXAMPLE_URL])
    headers: dict[str, str] = Field(
        description="By names in lower case; without `user-agent`, `traceparent` and what belongs to the connection. "
        "Those that the subscription gives are masked as `***`. `webhook-timestamp` is the attempt's. "
        "`webhook-signature` is made with the secrets that sign now: once they have been rotated, it is not the one "
        "that was sent, but still one that verifies with today's secrets.",
        examples=[
            {
                "content-type": "application/json",
                "webhook-id": "evt_mfqwcylbmfqwcylbmfqwcylbme",
                "webhook-timestamp": "1710497130",
                "webhook-signature": "v1,…",
                "authorization": "***",
            }
        ],
    )
    body: str = Field(
        description="The body, as the very text that was sent and signed.", examples=['{"type":"call.completed",…}']
    )

    @classmethod
    def of(cls, rebuilt: RebuiltRequest) -> Self:
        headers = {**dict.fromkeys(rebuilt.of_subscription, MASK), **rebuilt.headers}
        return cls(url=rebuilt.url, headers=headers, body=rebuilt.body.decode())


class DeliveryWithAttempts(Delivery):
    """One event on its way to one subscription, with every attempt that is logged."""

    attempts: list[Attempt] = Field(
        description="The oldest first. Of a subscription the last 500 are kept, over all of its deliveries."
    )
    request: SentRequest | None = Field(
        description="What the last attempt sent, or would have where there was no connection. Null when nothing was "
        "sent yet, and once no attempt is logged any more."
    )

    @classmethod
    def with_request(cls, stored: StoredDelivery, request: RebuiltRequest | None) -> Self:
        return cls(
            **_fields(stored),
            attempts=[Attempt.of(one) for one in stored.attempts],
            request=request and SentRequest.of(request),
        )


def _fields(stored: StoredDelivery) -> dict[str, object]:
    last = Attempt.of(stored.attempts[-1]) if stored.attempts else None
    return {
        "id": stored.id,
        "subscription_id": stored.subscription_id,
        "call_sid": stored.call.call_sid,
        "event_id": stored.event_id,
        "event_type": stored.event.type,
        "sequence": stored.sequence,
        "final": stored.event.final,
        "status": stored.status,
        "created_at": format_unix(stored.event.observed_at),
        "next_attempt_at": format_unix(stored.next_attempt_at) if stored.next_attempt_at else None,
        "attempts_count": len(stored.attempts),
        "last_attempt_at": last and last.at,
        "last_status_code": last and last.status_code,
        "last_error": last and last.error,
    }


class DeliveryList(BaseModel):
    """Some deliveries."""

    items: list[Delivery]
    next_cursor: NextCursor


class FailedDeliveries(BaseModel):
    """Which failed deliveries to send again: by their `last_attempt_at`, both times included."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"since": "2024-03-15T10:00:00Z", "until": "2024-03-15T12:00:00Z"}]},
    )

    since: Timestamp | None = Field(None, description="Those whose last attempt was at this time or later.")
    until: Timestamp | None = Field(None, description="Those whose last attempt was at this time or before.")


class Requeued(BaseModel):
    """How many failed deliveries are sent again."""

    queued: int = Field(examples=[42])
    next_since: Timestamp | None = Field(
        description="What to ask with next as `since`, when there were more than one request takes; null when there "
        "were not.",
    )


class Replay(BaseModel):
    """Which of a subscription's events to send again."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"since": "2024-03-15T10:00:00Z"}, {}]}
    )

    since: Timestamp | None = Field(None, description="Those that Ringback saw at this time or later; else all.")


class Replayed(BaseModel):
    """How many events are sent again."""

    queued: int = Field(examples=[5])
