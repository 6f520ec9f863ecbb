"""Subscriptions."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.api.problems import Problem
from app.api.schemas.common import (
    EXAMPLE_SID,
    EXAMPLE_URL,
    CallbackUrl,
    CallSid,
    EventName,
    Metadata,
    ReceiverHeaders,
    SecretText,
    Timestamp,
    UpstreamName,
)
from app.domain.subscription import EVERYTHING, MAX_EVENTS, MAX_HEADERS, MAX_METADATA_KEYS, SubscriptionStatus
from app.domain.timestamps import format_unix
from app.service.registrations import WantedSubscription
from app.store import subscriptions as store

MASK = "***"
MAX_BATCH = 1000


class NewSubscription(BaseModel):
    """A wish to have one call's events sent to one URL."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "call_sid": EXAMPLE_SID,
                    "callback_url": EXAMPLE_URL,
                    "events": ["final"],
                    "metadata": {"deal": "4711"},
                }
            ],
        },
    )

    call_sid: CallSid = Field(description="The call's SID, as the upstream's trigger endpoint returned it.")
    callback_url: CallbackUrl = Field(description="Where the events are POSTed.")
    events: list[EventName] | None = Field(
        None,
        min_length=1,
        max_length=MAX_EVENTS,
        description="Event types, `call.*` for all of them (the default), or `final` for the one that ends the call.",
    )
    metadata: Metadata | None = Field(
        None,
        description=f"Up to {MAX_METADATA_KEYS} texts of your own, repeated in each delivery.",
    )
    secret: SecretText | None = Field(
        None,
        repr=False,
        description="A signing secret (`whsec_` and base64) for this subscription alone, instead of the tenant's.",
    )
    headers: ReceiverHeaders | None = Field(
        None,
        repr=False,
        description=f"Up to {MAX_HEADERS} request headers for the receiver's own authentication. Kept encrypted.",
    )
    account_id: UpstreamName | None = Field(None, description="The upstream account, if not the tenant's.")
    project_id: UpstreamName | None = Field(None, description="The upstream project, if not the tenant's.")
    connector_id: UpstreamName | None = Field(
        None,
        repr=False,
        description="The upstream connector, if not the tenant's. A credential: it is never shown again.",
    )


def wanted_subscription(new: NewSubscription) -> WantedSubscription:
    """Return what was asked for; a field that is null is one that was left out."""
    said = {name: value for name, value in new.__dict__.items() if value is not None}
    return WantedSubscription(**said)


class SubscriptionChange(BaseModel):
    """What to change of a subscription; a field that is left out stays as it is, and none can be null."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"metadata": {"deal": "4711", "stage": "won"}}, {"paused": True}]},
    )

    # Fields that may be left out and not be null. What the factories make is never looked at (see `said`), and a
    # factory, unlike a default, does not show in the document.
    callback_url: CallbackUrl = Field(
        default_factory=str,
        description="Where the events not delivered yet are POSTed.",
        examples=[EXAMPLE_URL],
    )
    events: list[EventName] = Field(
        default_factory=list,
        min_length=1,
        max_length=MAX_EVENTS,
        description="Which events to send of those not delivered yet: event types, `call.*` or `final`.",
        examples=[["final"]],
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description="All of the metadata, not a part of it. Events that the call has had by now keep what they had.",
    )
    paused: bool = Field(
        default_factory=bool,
        description="Whether to send nothing for the time being. Events are kept and sent, in order, once this is "
        "false again.",
    )

    def said(self) -> dict[str, Any]:
        """Return the fields that were given."""
        return self.model_dump(exclude_unset=True)


class Subscription(BaseModel):
    """A subscription."""

    id: str = Field(examples=["sub_0c1m842cp95qqrkphhnzx3"])
    call_sid: str = Field(examples=[EXAMPLE_SID])
    account_id: str
    project_id: str
    callback_url: str = Field(
        description="In its canonical spelling: scheme and host in lower case.",
        examples=[EXAMPLE_URL],
    )
    events: list[str] = Field(examples=[[EVERYTHING]])
    metadata: dict[str, str]
    headers: dict[str, str] = Field(description="The names of the extra headers; their values are masked.")
    status: SubscriptionStatus = Field(
        description="`active`; `completed` once the call's final event is known; `paused` until it is resumed, "
        "whatever becomes of the call; `cancelled` when it was deleted; `disabled` when its receiver answered 410.",
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


class NewSubscriptions(BaseModel):
    """Many wishes at once."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"items": [{"call_sid": EXAMPLE_SID, "callback_url": EXAMPLE_URL, "metadata": {"deal": "4711"}}]}
            ]
        },
    )

    items: list[Any] = Field(
        min_length=1,
        max_length=MAX_BATCH,
        description="Each is what `POST /v1/subscriptions` takes. One that is refused does not keep the others back.",
        json_schema_extra={"items": {"$ref": "#/components/schemas/NewSubscription"}},
    )


class RegisteredItem(BaseModel):
    """An item that was registered, or that was there already."""

    status: Literal[200, 201] = Field(description="201 for a new subscription, 200 for one that was there.")
    subscription: Subscription


class RefusedItem(BaseModel):
    """An item that was refused."""

    status: Literal[422, 429] = Field(description="As `POST /v1/subscriptions` would have answered.")
    error: Problem


class BatchResult(BaseModel):
    """What came of each item, in order."""

    items: list[RegisteredItem | RefusedItem]
