"""Subscriptions as they are handed to the ledger and come out of it, and the body in which they are kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from app.domain.call import CallKey
from app.domain.event import CallNames
from app.domain.metadata_versions import FormerMetadata, MetadataVersions
from app.domain.subscription import EVERYTHING, EventFilter, SubscriptionStatus
from app.store import codec
from app.store.vault import Vault
from app.telemetry.trace_context import TraceContext, unpack_context

_OWN_SECRET = "subscription-secret"  # noqa: S105 -- the purpose of a ciphertext, no secret
_HEADERS = "subscription-headers"
# The places of a body's fields. Most end with the headers: former metadata follows once it has been changed, and the
# trace of the registration and its state where it was traced.
_URL, _EVENTS, _METADATA, _CREATED, _SECRET, _SEALED_HEADERS, _FORMER, _TRACE, _STATE = range(9)
# The fields in which a body stands in pieces of 64 bytes, as the scripts write them; the last takes what is left.
BODY = ("b", "b1", "b2", "b3", "b4", "b5", "b6", "b7")
_PIECE = 64
# What `SubscriptionBodies.subscription` reads.
FIELDS = ("w", "t", "st", "c", "u", *BODY)


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What a tenant asks for, checked. Secrets in clear; they are sealed on their way into the ledger.

    `trace` is the span of the registration, where it is traced.
    """

    tenant_id: str
    key: CallKey
    callback_url: str
    events: EventFilter
    metadata: Mapping[str, str]
    secret: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What to change of a subscription, checked; what is None stays as it is."""

    callback_url: str | None = None
    events: EventFilter | None = None
    metadata: Mapping[str, str] | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """What a delivery needs to know of its subscription; `secret` is None where the tenant's is used.

    `trace` is the span of the registration, where it was traced.
    """

    callback_url: str
    events: EventFilter
    versions: MetadataVersions
    secret: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    created_at: float
    updated_at: float
    trace: TraceContext | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the events to come."""
        return self.versions.newest

    def metadata_at(self, sequence: int) -> Mapping[str, str]:
        """Return the metadata of the event of that sequence: the same at every attempt, whatever has changed."""
        return self.versions.at(sequence)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it stands. `final_event` is the type of the call's final event once it is known."""

    id: str
    tenant_id: str
    watch_id: str
    status: SubscriptionStatus
    final_event: str | None
    cursor: int
    call: CallNames
    destination: Destination


class PlacedSubscription(Protocol):
    """What leads to all that is kept of a subscription."""

    @property
    def id(self) -> str: ...

    @property
    def tenant_id(self) -> str: ...

    @property
    def watch_id(self) -> str: ...


class SubscriptionBodies:
    """Packs and opens what a subscription keeps in its body."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def pack(self, new: NewSubscription, now: float) -> bytes:
        """Write a new body, its secrets sealed; `now` in Unix seconds."""
        now_ms = round(now * 1000)
        secret = self._vault.seal(new.secret, _OWN_SECRET) if new.secret else None
        headers = self._vault.seal(codec.pack([dict(new.headers)]).decode("latin-1"), _HEADERS) if new.headers else None
        return codec.pack(
            [
                new.callback_url, list(new.events.names), dict(new.metadata), now_ms, secret, headers,
                *_traced(new.trace),
            ],
        )  # fmt: skip

    def open(self, body: bytes) -> Destination:
        """Read a body, and open its secrets."""
        fields = codec.unpack(body)
        headers, secret = fields[_SEALED_HEADERS], fields[_SECRET]
        return Destination(
            callback_url=fields[_URL],
            events=EventFilter(tuple(fields[_EVENTS])),
            versions=_versions(fields),
            secret=self._vault.open(secret, _OWN_SECRET) if secret else None,
            headers=codec.unpack(self._vault.open(headers, _HEADERS).encode("latin-1"))[0] if headers else {},
            created_at=fields[_CREATED] / 1000,
            updated_at=fields[_CREATED] / 1000,
            trace=_trace(fields) if len(fields) > _TRACE else None,
        )

    def reseal(self, body: bytes) -> bytes:
        """Return the same body with its secrets sealed under the first key; the same bytes when they are already."""
        fields = codec.unpack(body)
        for place, purpose in ((_SECRET, _OWN_SECRET), (_SEALED_HEADERS, _HEADERS)):
            if fields[place]:
                fields[place] = self._vault.reseal(fields[place], purpose)
        return codec.pack(fields)

    def subscription(
        self, subscription_id: str, row: Sequence[bytes], call: CallNames, final: bytes | None
    ) -> Subscription:
        """Read a subscription whose `row` is its `FIELDS`; `final` is its call's final type."""
        watch_id, tenant_id, status_text, cursor, updated_ms, *pieces = row
        destination = self.open(body_of(pieces))
        if updated_ms:
            destination = replace(destination, updated_at=int(updated_ms) / 1000)
        status = SubscriptionStatus(status_text.decode())
        if final and status is SubscriptionStatus.ACTIVE:
            status = SubscriptionStatus.COMPLETED
        return Subscription(
            subscription_id,
            tenant_id.decode(),
            watch_id.decode(),
            status,
            final.decode() if final else None,
            int(cursor),
            call,
            destination,
        )


def body_of(pieces: Iterable[bytes | None]) -> bytes:
    """Put a body together from what stands in the fields `BODY`."""
    return b"".join([piece for piece in pieces if piece])


def cut(body: bytes, count: int) -> list[bytes]:
    """Cut a body into so many pieces as the scripts do: the last takes what is left, and some may be empty."""
    starts = range(0, count * _PIECE, _PIECE)
    return [body[at : at + _PIECE] for at in starts[:-1]] + [body[starts[-1] :]]


def changed_body(body: bytes, change: SubscriptionChange, events_written: int) -> bytes:
    """Return a body after a change, made when the call had so many events; what is sealed stays as it is."""
    fields = codec.unpack(body)
    if change.callback_url is not None:
        fields[_URL] = change.callback_url
    if change.events is not None:
        fields[_EVENTS] = list(change.events.names)
    if change.metadata is not None:
        versions = _versions(fields).changed(change.metadata, events_written)
        fields[_METADATA] = dict(versions.newest)
        if versions.former:
            fields[_FORMER : _FORMER + 1] = [[[one.last, dict(one.metadata)] for one in versions.former]]
    return codec.pack(fields)


def url_and_events(body: bytes) -> tuple[str, EventFilter]:
    """Read what a subscription is registered with, without opening its secrets."""
    fields = codec.unpack(body)
    return fields[_URL], EventFilter(tuple(fields[_EVENTS]))


def filter_text(events: EventFilter) -> str:
    """Write a filter as commit_polls.lua reads it."""
    return "*" if not events.names or EVERYTHING in events.names else ",".join(events.names)


def _traced(trace: TraceContext | None) -> list[Any]:
    """Return a body's last fields: none where nothing is traced, and then the place of former metadata is kept free."""
    if trace is None or not trace.sampled:
        return []
    return [[], trace.packed, trace.state] if trace.state else [[], trace.packed]


def _trace(fields: list[Any]) -> TraceContext | None:
    return unpack_context(fields[_TRACE], fields[_STATE] if len(fields) > _STATE else "")


def _versions(fields: list[Any]) -> MetadataVersions:
    former = fields[_FORMER] if len(fields) > _FORMER else []
    return MetadataVersions(fields[_METADATA], tuple(FormerMetadata(last, metadata) for last, metadata in former))
