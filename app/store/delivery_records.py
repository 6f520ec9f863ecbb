"""Deliveries as they are read from the ledger: one with its attempts, or a tenant's, page by page.

A delivery is no record. The queue of its subscription is read (the cursor, the lanes, the log, what was given up), and
the domain says what that means for each event. The cursor and the lanes are read before the log, and the log before
what was given up, which is the way that deliveries go: one that moves meanwhile may look a little older than it
is, and never as if it were not there.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain import ids
from app.domain.delivery import Alive, DeliveryStatus, Ended, Standing, head_of, status_of
from app.domain.event import CallNames, Event, event_id
from app.store import codec
from app.store.connection import Ledger, translated_errors
from app.store.deliveries import LoggedAttempt
from app.store.keys import Partition, all_partitions
from app.store.subscription_records import BODY, body_of, url_and_events

_ALIVE = (b"active", b"paused")
# How many answers there are for each queue beside its own row; see `_ask`.
_ASKED = 5

_Row = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one subscription, as it stands.

    `attempts` are those that are still logged, oldest first. `next_attempt_at` is in Unix seconds, None unless the
    delivery is pending, is not being attempted just now, and waits for nothing but this moment.
    """

    subscription_id: str
    call: CallNames
    sequence: int
    event: Event
    status: DeliveryStatus
    next_attempt_at: float | None
    attempts: tuple[LoggedAttempt, ...]

    @property
    def id(self) -> str:
        return ids.delivery_id(self.subscription_id, self.sequence)

    @property
    def event_id(self) -> str:
        return event_id(self.call, self.event)


@dataclass(frozen=True, slots=True)
class Queue:
    """A subscription's queue: its call's events, how far it has come with them, and what was tried.

    `head` is the sequence of the event that is delivered next in order, None when there is none. `due` holds Unix
    seconds by sequence, of those whose next attempt waits for nothing but that moment.
    """

    subscription_id: str
    partition: Partition
    call: CallNames
    callback_url: str
    standing: Standing
    events: tuple[Event, ...]
    head: int | None
    attempts: Mapping[int, Sequence[LoggedAttempt]]
    due: Mapping[int, float]

    def delivery(self, sequence: int) -> Delivery | None:
        """Return the delivery of the event of that sequence, or None when there is none."""
        if not 1 <= sequence <= len(self.events):
            return None
        event, attempts = self.events[sequence - 1], self.attempts.get(sequence, ())
        status = status_of(self.standing, sequence, event, attempts[-1].outcome if attempts else None)
        if status is None:
            return None
        return Delivery(
            self.subscription_id,
            self.call,
            sequence,
            event,
            status,
            self.due.get(sequence) if status is DeliveryStatus.PENDING else None,
            tuple(attempts),
        )

    def deliveries(self, below: int | None = None) -> Iterator[Delivery]:
        """Yield the deliveries, the highest sequence first; only those of sequences lower than `below`, if given."""
        highest = len(self.events) if below is None else min(below - 1, len(self.events))
        for sequence in range(highest, 0, -1):
            if delivery := self.delivery(sequence):
                yield delivery


class QueueStore:
    """Reads queues, many at a time: two round trips for each partition."""

    def __init__(self, ledger: Ledger, partitions: int) -> None:
        self._ledger = ledger
        self.partitions = all_partitions(partitions)

    async def read(self, tenant_id: str, subscription_ids: Sequence[str]) -> list[Queue]:
        """Read queues in the order of their ids.

        Left out are those that are not kept any more, and another tenant's: after the first round trip,
        so that the two cannot be told apart by the time that it takes.
        """
        groups: dict[int, list[str]] = {}
        for one in dict.fromkeys(subscription_ids):
            number = ids.partition_of(one)
            if number is not None and number < len(self.partitions):
                groups.setdefault(number, []).append(one)
        read = await asyncio.gather(
            *(self._read(self.partitions[number], tenant_id, group) for number, group in groups.items())
        )
        found = {queue.subscription_id: queue for queues in read for queue in queues}
        return [found[one] for one in dict.fromkeys(subscription_ids) if one in found]

    async def _read(self, partition: Partition, tenant_id: str, group: Sequence[str]) -> list[Queue]:
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in group:
                pipe.hgetall(partition.subscription(one))
            found = zip(group, await pipe.execute(), strict=True)
            rows = [(one, row) for one, row in found if row.get(b"t") == tenant_id.encode()]
            for one, row in rows:
                _ask(pipe, partition, one, row)
            answers = await pipe.execute()
        return [
            _queue(partition, one, row, answers[place * _ASKED : (place + 1) * _ASKED])
            for place, (one, row) in enumerate(rows)
            # A call whose retention is over takes its subscriptions with it.
            if all(answers[place * _ASKED : place * _ASKED + 2])
        ]


def _ask(pipe: Any, partition: Partition, subscription_id: str, row: _Row) -> None:
    """Ask for the `_ASKED` things that belong to a queue beside its own row."""
    watch_id, tenant_id = row[b"w"].decode(), row[b"t"].decode()
    own_lanes = [f"{subscription_id}/{sequence}" for sequence in _own_lanes(row)]
    # Nobody gives up what is behind the cursor. A command needs a member at least: sequences begin at 1.
    settled = [f"{subscription_id}/{sequence}" for sequence in range(int(row[b"c"]) + 1)]
    pipe.hvals(partition.line(watch_id))
    pipe.hgetall(partition.watch(watch_id))
    pipe.lrange(partition.log(subscription_id), 0, -1)
    pipe.zmscore(partition.failed(tenant_id), settled)
    pipe.zmscore(partition.outbox, [subscription_id, *own_lanes])


def _queue(partition: Partition, subscription_id: str, row: _Row, answers: Sequence[Any]) -> Queue:
    line, call, log, given_up, (lane_due, *own_due) = answers
    callback_url, wanted = url_and_events(body_of([row.get(field.encode()) for field in BODY]))
    events = codec.events_of(call)
    attempts: dict[int, list[LoggedAttempt]] = {}
    for attempt in map(LoggedAttempt.unpack, log or _own_log(row)):
        attempts.setdefault(attempt.sequence, []).append(attempt)
    own_lanes = _own_lanes(row)
    standing = Standing(
        life=Alive() if row[b"st"] in _ALIVE else Ended(int(row.get(b"u", 0)) / 1000),
        wanted=wanted,
        cursor=int(row[b"c"]),
        own_lanes=frozenset(own_lanes),
        given_up={sequence: score / 1000 for sequence, score in enumerate(given_up) if score is not None},
    )
    head = head_of(standing, events)
    places = [*own_lanes, *([head] if head else [])]
    scores = zip(places, [*own_due, lane_due], strict=False)
    # A lease is told from a wait by its fraction.
    due = {place: score / 1000 for place, score in scores if score is not None and score % 1 == 0}
    return Queue(
        subscription_id,
        partition,
        codec.unpack_names(line, call[b"i"]),
        callback_url,
        standing,
        events,
        head,
        attempts,
        due,
    )


def _own_lanes(row: _Row) -> list[int]:
    return [int(field[1:]) for field in row if field[:1] == b"r" and field[1:].isdigit()]


def _own_log(row: _Row) -> list[bytes]:
    """Return the attempts that stand with a subscription itself; where there is a list, it holds them all."""
    return [row[b"l%d" % place] for place in range(1, int(row.get(b"l", 0)) + 1)]
