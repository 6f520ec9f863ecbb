"""A delivery: one event on its way to one subscription. It is no record of its own; its status follows from others.

A subscription's queue is a cursor into its call's events, the few deliveries that left the fast lane for a lane of
their own, and those that were given up. What has been tried is in its log.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.domain.event import Event
from app.domain.subscription import EventFilter

Outcome = Literal["delivered", "retry", "failed", "gone"]

# What is logged in place of an attempt that was not made, since it would have been in vain.
DESTINATION_DOWN = "destination_down"


class DeliveryStatus(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


# What the last attempt says of a delivery that is done with. One that is to be retried and never will be, because its
# subscription has ended, is cancelled; a failed one may have been given up longer ago than failed ones are listed.
_STATUS_AFTER: dict[Outcome, DeliveryStatus] = {
    "delivered": DeliveryStatus.DELIVERED,
    "failed": DeliveryStatus.FAILED,
    "gone": DeliveryStatus.CANCELLED,
    "retry": DeliveryStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Alive:
    """The subscription is active or paused: what is behind its cursor is still to be delivered."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The subscription was cancelled or disabled at this Unix time."""

    at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a subscription has come. Sequences count its call's events from 1.

    `cursor` is the sequence of the last event that it is done with; `own_lanes` are the sequences of those that are
    retried on their own, `given_up` those that have failed, with the Unix time at which they were given up.
    """

    life: Alive | Ended
    wanted: EventFilter
    cursor: int
    own_lanes: AbstractSet[int]
    given_up: Mapping[int, float]


def status_of(standing: Standing, sequence: int, event: Event, last_outcome: Outcome | None) -> DeliveryStatus | None:
    """Return the status of the event's delivery, or None when there is no such delivery.

    `last_outcome` is that of the last attempt in the log. An event that the subscription does not want is
    passed over; so is what came after its end.
    """
    if sequence in standing.given_up:
        return DeliveryStatus.FAILED
    if sequence in standing.own_lanes:
        return DeliveryStatus.PENDING
    if sequence > standing.cursor:
        return _status_behind_cursor(standing, event)
    return _STATUS_AFTER[last_outcome] if last_outcome else None


def _status_behind_cursor(standing: Standing, event: Event) -> DeliveryStatus | None:
    if not standing.wanted.wants(event.type):
        return None
    match standing.life:
        case Alive():
            return DeliveryStatus.PENDING
        case Ended(at):
            return DeliveryStatus.CANCELLED if event.observed_at <= at else None


def head_of(standing: Standing, events: Sequence[Event]) -> int | None:
    """Return the sequence of the event that is delivered next in order, or None when there is none."""
    behind = range(standing.cursor + 1, len(events) + 1)
    return next((sequence for sequence in behind if standing.wanted.wants(events[sequence - 1].type)), None)


@dataclass(frozen=True, slots=True)
class Rewind:
    """Send again in order, from the event `first` on."""

    first: int


@dataclass(frozen=True, slots=True)
class OwnLanes:
    """Send each of these again on its own: events behind them have been delivered already."""

    sequences: tuple[int, ...]


def plan_retry(standing: Standing, events: Sequence[Event], failed: AbstractSet[int]) -> Rewind | OwnLanes:
    """Decide how to send failed deliveries of one subscription again, keeping their order where there is one to keep.

    When nothing behind the first of them has been delivered or is under way, the cursor can go back to it. `failed`
    is not empty and holds sequences up to the cursor.
    """
    first = min(failed)
    wanted = {
        sequence for sequence in range(first, standing.cursor + 1) if standing.wanted.wants(events[sequence - 1].type)
    }
    return Rewind(first) if wanted == failed and not _lanes_from(standing, first) else OwnLanes(tuple(sorted(failed)))


def _lanes_from(standing: Standing, first: int) -> bool:
    return any(sequence >= first for sequence in standing.own_lanes)


def first_since(events: Sequence[Event], since: float | None) -> int:
    """Return the sequence of the first event that was observed at `since` (Unix seconds) or later.

    It is one more than there are events when there is none, and 1 without a time.
    """
    if since is None:
        return 1
    return next((place + 1 for place, event in enumerate(events) if event.observed_at >= since), len(events) + 1)


def count_wanted(standing: Standing, events: Sequence[Event], first: int) -> int:
    """Return how many of the events from the sequence `first` on the subscription wants."""
    return sum(standing.wanted.wants(event.type) for event in events[first - 1 :])
