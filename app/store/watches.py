"""Watches in the ledger: claimed when they fall due, and committed with what a poll has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from app.domain.cadence import PollAgain, Step
from app.domain.call import Answer
from app.domain.event import CallNames, Event, event_id
from app.domain.mirror import last_answer
from app.domain.upstream_budget import Promise
from app.domain.watch import Watch
from app.store import codec
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition
from app.store.vault import Vault
from app.telemetry.trace_context import TraceContext, unpack_context


@dataclass(frozen=True, slots=True)
class ClaimedPoll:
    """A watch leased to this worker; times in Unix seconds by the ledger's clock.

    `polled_at` is the time of the last poll, 0 before the first. `promise` is what was promised for `due_at`.
    `trace` is the span of the registration that its polls belong to; None where tracing is off.
    """

    watch_id: str
    due_at: float
    version: int
    watch: Watch
    polled_at: float = 0.0
    promise: Promise = Promise.NOTHING
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class PutOff:
    """A claim that is not to be polled before `until` (Unix seconds), and what is promised for that moment."""

    claim: ClaimedPoll
    until: float
    promise: Promise = Promise.NOTHING


@dataclass(frozen=True, slots=True)
class PolledStep:
    """What a poll that was sent at `polled_at` (Unix seconds) has led to; `trace` is its span, where it has one."""

    claimed: ClaimedPoll
    step: Step
    polled_at: float
    trace: TraceContext | None = None


class Recorded(IntEnum):
    """What became of a record: the numbers are the scripts'."""

    STALE = 0
    DONE = 1
    DONE_WITH_MORE = 2
    DUE_ANEW = 3


# Due times are whole milliseconds; what is promised is told by a fraction, so that it costs no key.
_FRACTIONS = {Promise.NOTHING: 0.0, Promise.TURN: 0.25, Promise.MOMENT: 0.5}
_PROMISES = {fraction: promise for promise, fraction in _FRACTIONS.items()}
# How many records of events a partition's journal holds at least: at a hundred events a second over sixteen partitions
# those of the last minutes, and about 100 kB.
JOURNAL_LENGTH = 1000
# How many commands of a pipeline read one call.
READ_COMMANDS = 3
# How many read its names alone.
NAME_COMMANDS = 2


class CallPlace(NamedTuple):
    """Where a call is kept."""

    partition: Partition
    watch_id: str


@dataclass(frozen=True, slots=True)
class KeptCall:
    """What the ledger knows of a call; its n-th event has the sequence n.

    `last_polled_at` is 0 before the first poll.
    """

    watch: Watch
    events: tuple[Event, ...]
    polls: int
    last_polled_at: float
    next_poll_at: float

    @property
    def final(self) -> Event | None:
        """The event that ended the call, which is its last."""
        return self.events[-1] if self.events and self.events[-1].final else None

    @property
    def last_answer(self) -> Answer | None:
        """What the upstream said last, or None before its first answer."""
        return last_answer(self.watch.snapshot, self.events) if self.watch.snapshot.known else None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some of a call's events in order; the first has the sequence `first`. `more` says whether others follow."""

    call: CallNames
    first: int
    events: tuple[Event, ...]
    more: bool


class WatchStore:
    def __init__(self, ledger: Ledger, vault: Vault, retention_seconds: float, *, traced: bool = False) -> None:
        """`traced` asks for the spans that polls belong to."""
        self._ledger = ledger
        self._traced = ("t",) if traced else ()
        self._lines = codec.Lines(vault)
        self._retention_ms = round(retention_seconds * 1000)

    async def count_due(self, partitions: Sequence[Partition], horizon_seconds: float) -> list[int]:
        """Return how many watches of each partition fall due within the horizon."""
        return await count_within(self._ledger, [partition.due for partition in partitions], horizon_seconds)

    async def claim(
        self,
        partition: Partition,
        *,
        horizon_seconds: float,
        lease_seconds: float,
        limit: int,
    ) -> list[ClaimedPoll]:
        """Lease up to `limit` watches that fall due within the horizon; see claim_polls.lua."""
        arguments: list[object] = [partition.prefix, round(horizon_seconds * 1000), round(lease_seconds * 1000), limit]
        arguments += self._traced
        now_ms, found, rows = await self._ledger.run("claim_polls", [partition.due], arguments)
        self._ledger.tell_time(now_ms, partition.due)
        lines = [tuple(line) for line in found]

        def claimed(row: Sequence[Any]) -> ClaimedPoll:
            watch_id, due, version, polled_ms, line, *packed = row
            trace = unpack_context(packed.pop() or b"") if self._traced else None
            watch = self._lines.unpack_watch(codec.PackedWatch(lines[line - 1], *packed))
            due_ms = float(due)
            promise = _PROMISES.get(due_ms % 1, Promise.NOTHING)
            polled_at = int(polled_ms or 0) / 1000
            return ClaimedPoll(watch_id.decode(), due_ms / 1000, int(version), watch, polled_at, promise, trace)

        return [claim for row in rows if (claim := codec.readable(claimed, row))]

    async def commit(self, partition: Partition, steps: Sequence[PolledStep]) -> list[Recorded]:
        """Record polls, each wholly or not at all; see commit_polls.lua."""
        arguments: list[object] = [partition.prefix, self._retention_ms, JOURNAL_LENGTH]
        for polled in steps:
            arguments += self._commit_arguments(polled)
        *results, now_ms = await self._ledger.run(
            "commit_polls", [partition.due, partition.outbox, partition.journal], arguments
        )
        self._ledger.tell_time(now_ms, partition.due)
        return [Recorded(result) for result in results]

    def _commit_arguments(self, polled: PolledStep) -> list[object]:
        claimed, step = polled.claimed, polled.step
        # Most polls find nothing new, and leave the very same watch.
        changed = step.watch is not claimed.watch and step.watch != claimed.watch
        told, before = step.watch.snapshot, claimed.watch.snapshot
        retold = changed and (told.created_at, told.client_env) != (before.created_at, before.client_env)
        match step.following:
            case PollAgain(at):
                next_ms, final_type = round(at * 1000), ""
            case _:
                next_ms, final_type = 0, step.events[-1].type
        call = CallNames.of(claimed.watch.key)
        events = [
            part
            for event in step.events
            for part in (codec.pack_event(event, polled.trace), event.type, event_id(call, event))
        ]
        return [
            claimed.watch_id,
            claimed.version,
            round(polled.polled_at * 1000),
            next_ms,
            codec.pack_state(step.watch) if changed else "",
            codec.pack_told(told) if retold else "",
            final_type,
            len(step.events),
            *events,
        ]

    async def release(self, partition: Partition, claims: Sequence[ClaimedPoll]) -> None:
        """Give back claims that were not begun, so that another worker takes them at once."""
        arguments = [part for claim in claims for part in (claim.watch_id, round(claim.due_at * 1000))]
        await self._ledger.run("release", [partition.due], arguments)

    async def put_off(self, partition: Partition, waiting: Sequence[PutOff]) -> None:
        """Give back claims that must not be polled yet: each falls due when its wait is over."""
        arguments: list[object] = []
        for one in waiting:
            arguments += one.claim.watch_id, round(one.until * 1000) + _FRACTIONS[one.promise]
        await self._ledger.run("release", [partition.due], arguments)

    async def read(self, partition: Partition, watch_id: str) -> KeptCall | None:
        """Return what is kept of a call, or None when its retention is over."""
        return (await self.read_many([CallPlace(partition, watch_id)]))[0]

    async def read_many(self, places: Sequence[CallPlace]) -> list[KeptCall | None]:
        """Do the same for several calls in one round trip."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for place in places:
                self.queue_read(pipe, place)
            rows = await pipe.execute()
        return [self.kept(rows[at : at + READ_COMMANDS]) for at in range(0, len(rows), READ_COMMANDS)]

    @staticmethod
    def queue_read(pipe: Any, place: CallPlace) -> None:
        """Add the `READ_COMMANDS` commands that read a call to a pipeline; `kept` reads their answers."""
        partition, watch_id = place
        pipe.hgetall(partition.watch(watch_id))
        pipe.hvals(partition.line(watch_id))
        pipe.zscore(partition.due, watch_id)

    def kept(self, answers: Sequence[Any]) -> KeptCall | None:
        """Return the call that the answers to `queue_read` tell of."""
        fields, line, due = answers
        if not fields or not line:
            return None
        packed = codec.PackedWatch(tuple(line), fields[b"i"], *map(fields.get, (b"s", b"x", b"g")))
        return KeptCall(
            self._lines.unpack_watch(packed),
            codec.events_of(fields),
            int(fields.get(b"n", 0)),
            int(fields.get(b"p", 0)) / 1000,
            (due or 0) / 1000,
        )

    async def read_events(self, place: CallPlace, *, behind: int, limit: int) -> EventPage | None:
        """Return up to `limit` of a call's events behind a sequence, or None when its retention is over."""
        partition, watch_id = place
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            # One more than is shown tells whether anything follows.
            pipe.hmget(partition.watch(watch_id), "i", *range(behind + 1, behind + limit + 2))
            pipe.hvals(partition.line(watch_id))
            (call, *found), line = await pipe.execute()
        if call is None or not line:
            return None
        events = tuple(codec.unpack_event(event) for event in found[:limit] if event is not None)
        return EventPage(codec.unpack_names(line, call), behind + 1, events, more=found[limit] is not None)

    async def names_of(self, places: Sequence[CallPlace]) -> list[CallNames | None]:
        """Return the names of calls, None for those whose retention is over."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for place in places:
                queue_names(pipe, place)
            found = await pipe.execute()
        return [names_in(found[at : at + NAME_COMMANDS]) for at in range(0, len(found), NAME_COMMANDS)]


def queue_names(pipe: Any, place: CallPlace) -> None:
    """Add the `NAME_COMMANDS` commands that read a call's names to a pipeline; `names_in` reads their answers."""
    pipe.hget(place.partition.watch(place.watch_id), "i")
    pipe.hvals(place.partition.line(place.watch_id))


def names_in(answers: Sequence[Any]) -> CallNames | None:
    call, line = answers
    return codec.unpack_names(line, call) if call and line else None


async def count_within(ledger: Ledger, names: Sequence[str], horizon_seconds: float) -> list[int]:
    """Return how many members of each sorted set fall due within the horizon from now."""
    async with translated_errors():
        pipe = ledger.redis.pipeline(transaction=False)
        for name in names:
            pipe.zcount(name, "-inf", round((ledger.clock.now() + horizon_seconds) * 1000))
        counts: list[int] = await pipe.execute()
    return counts
