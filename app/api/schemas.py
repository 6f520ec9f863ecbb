"""What the API takes and gives, as the OpenAPI document shows it.

No connector, secret or header value is in anything that is given, but for the two secrets of a new tenant.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.subscription import (
    EVERYTHING,
    MAX_EVENTS,
    MAX_HEADERS,
    MAX_METADATA_KEYS,
    SubscriptionStatus,
)
from app.domain.timestamps import format_unix
from app.store import subscriptions as store
from app.store.tenants import NewTenant as StoredNewTenant
from app.store.tenants import Tenant as StoredTenant
from app.store.watches import KeptCall

MASK = "***"
_SID = "OUT-550e8400-e29b-41d4-a716-446655440000"
_URL = "https://crm.example.com/hooks/calls"

Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2024-03-15T10:00:00Z"]),
]
TenantName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class NewSubscription(BaseModel):
    """A wish to have one call's events sent to one URL."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"call_sid": _SID, "callback_url": _URL, "events": ["final"], "metadata": {"deal": "4711"}}],
        },
    )

    call_sid: str = Field(description="The call's SID, as the upstream's trigger endpoint returned it.")
    callback_url: str = Field(description="Where the events are POSTed.")
    events: list[str] | None = Field(
        None,
        min_length=1,
        max_length=MAX_EVENTS,
        description="Event types, `call.*` for all of them (the default), or `final` for the one that ends the call.",
    )
    metadata: dict[str, str] | None = Field(
        None,
        description=f"Up to {MAX_METADATA_KEYS} texts of your own, repeated in each delivery.",
    )
    secret: str | None = Field(
        None,
        repr=False,
        description="A signing secret (`whsec_` and base64) for this subscription alone, instead of the tenant's.",
    )
    headers: dict[str, str] | None = Field(
        None,
        repr=False,
        description=f"Up to {MAX_HEADERS} request headers for the receiver's own authentication. Kept encrypted.",
    )
    account_id: str | None = Field(None, description="The upstream account, if not the tenant's.")
    project_id: str | None = Field(None, description="The upstream project, if not the tenant's.")
    connector_id: str | None = Field(
        None,
        repr=False,
        description="The upstream connector, if not the tenant's. A credential: it is never shown again.",
    )


class Subscription(BaseModel):
    """A subscription."""

    id: str = Field(examples=["sub_0c1m842cp95qqrkphhnzx3"])
    call_sid: str = Field(examples=[_SID])
    account_id: str
    project_id: str
    callback_url: str = Field(
        description="In its canonical spelling: scheme and host in lower case.",
        examples=[_URL],
    )
    events: list[str] = Field(examples=[[EVERYTHING]])
    metadata: dict[str, str]
    headers: dict[str, str] = Field(description="The names of the extra headers; their values are masked.")
    status: SubscriptionStatus = Field(
        description="`active`; `completed` once the call's final event is known; `cancelled` when it was deleted; "
        "`disabled` when its receiver answered 410; `paused`.",
    )
    final_event: str | None = Field(description="The type of the call's final event.", examples=["call.completed"])
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, stored: store.Subscription) -> Self:
        destination = stored.destination
        return cls(
            id=stored.id,
            call_sid=stored.call.call_sid,
            account_id=stored.call.account_id,
            project_id=stored.call.project_id,
            callback_url=destination.callback_url,
            events=list(destination.events.names) or [EVERYTHING],
            metadata=dict(destination.metadata),
            headers=dict.fromkeys(destination.headers, MASK),
            status=stored.status,
            final_event=stored.final_event,
            created_at=format_unix(destination.created_at),
            updated_at=format_unix(destination.updated_at),
        )


class SubscriptionList(BaseModel):
    """Some subscriptions, the newest first."""

    items: list[Subscription]
    next_cursor: str | None = Field(
        description="What to ask the next page with; null at the end. With a filter a page may hold fewer items "
        "than `limit`, even none, and not be the last.",
    )


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

    call_sid: str = Field(examples=[_SID])
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


class NewTenant(BaseModel):
    """A CRM system, or another caller, with its upstream credentials."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: TenantName = Field(description="For people, up to 100 characters.", examples=["CRM, production"])
    account_id: str = Field(description="The upstream account of its calls, unless a subscription names another.")
    project_id: str = Field(description="The upstream project, likewise.")
    connector_id: str = Field(
        repr=False,
        description="The upstream connector, likewise. A credential: it is kept encrypted and never shown.",
    )


class Tenant(BaseModel):
    """A tenant."""

    id: str = Field(examples=["ten_1m842cp907q3yc2f95cq"])
    name: str = Field(examples=["CRM, production"])
    account_id: str
    project_id: str
    created_at: Timestamp

    @classmethod
    def of(cls, stored: StoredTenant) -> Self:
        return cls(
            id=stored.id,
            name=stored.name,
            account_id=stored.account_id,
            project_id=stored.project_id,
            created_at=format_unix(stored.created_at),
        )


class CreatedTenant(BaseModel):
    """A new tenant's secrets, which are shown this once."""

    id: str = Field(examples=["ten_1m842cp907q3yc2f95cq"])
    name: str = Field(examples=["CRM, production"])
    api_key: str = Field(description="The bearer key of its requests.", examples=["rbk_…"])
    signing_secret: str = Field(description="What its deliveries are verified with.", examples=["whsec_…"])

    @classmethod
    def of(cls, new: StoredNewTenant) -> Self:
        return cls(
            id=new.tenant.id,
            name=new.tenant.name,
            api_key=new.api_key,
            signing_secret=new.tenant.signing_secrets[0],
        )


class TenantList(BaseModel):
    """Some tenants, the oldest first."""

    items: list[Tenant]
    next_cursor: str | None = Field(description="What to ask the next page with; null at the end.")
