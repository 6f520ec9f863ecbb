"""The journal: which events were recorded last, in an order that all who read it agree on.

Every partition has a journal of its own (`commit_polls.lua` writes it). Its entries bear the time of the Redis that
took them, so all of them together are in one order: by that time, then by partition. A reader is handed an entry only
once no earlier one can follow: when every master's clock has passed its time. So it may go on behind any event it was
told.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain.event import CallNames, Event
from app.store import codec
from app.store.connection import Ledger, ScriptCall, translated_errors
from app.store.keys import Partition, all_partitions
from app.store.watches import JOURNAL_LENGTH, CallPlace

log = logging.getLogger(__name__)


class Order(NamedTuple):
    """The place of an entry among all: Unix milliseconds, which of that moment, and its partition."""

    ms: int
    number: int
    partition: int


BEGINNING = Order(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """Events that were recorded together: those of a call from the sequence `first` on."""

    order: Order
    place: CallPlace
    first: int
    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What is new, in order. `missed`: something was recorded that is not among it. `more`: there will be at once."""

    entries: tuple[Entry, ...]
    missed: bool
    more: bool


@dataclass(frozen=True, slots=True)
class RecordedEvents:
    """What an entry leads to: the call's names, and its events from the entry's first on."""

    call: CallNames
    events: tuple[Event, ...]


class JournalReader:
    """Reads all partitions' journals along; one for each process."""

    def __init__(self, ledger: Ledger, partitions: int) -> None:
        self._ledger = ledger
        self._partitions = all_partitions(partitions)
        # The last entry that was handed out of each partition, empty before the first.
        self._last: dict[int, bytes] = {}

    async def begin(self) -> tuple[tuple[Entry, ...], Order]:
        """Return what the journals hold, in order, and since when that is all there was; raises `StoreUnavailable`.

        Whatever is recorded from now on, `look` tells of.
        """
        self._last = {}
        horizon = await self._ledger.ping()
        entries: list[Entry] = []
        complete_since = BEGINNING
        for partition, found in zip(
            self._partitions, await self._read([(one, b"") for one in self._partitions]), strict=True
        ):
            entries += self._taken(partition, found, horizon)[0]
            if len(found) >= JOURNAL_LENGTH:
                complete_since = max(complete_since, _order(found[0][0], partition))
        return tuple(sorted(entries, key=_by_order)), complete_since

    async def look(self) -> Look:
        """Return what has been recorded since; raises `StoreUnavailable`."""
        horizon = await self._ledger.ping()
        asked = [(one, self._last.get(one.number, b"")) for one in self._partitions]
        entries: list[Entry] = []
        missed = more = False
        lost: list[Partition] = []
        for (partition, last), found in zip(asked, await self._read(asked), strict=True):
            if not last:
                missed |= len(found) >= JOURNAL_LENGTH
            elif not found or found[0][0] != last:
                # The entry is not there any more: trimmed away, or lost with a master.
                lost.append(partition)
                continue
            taken, left = self._taken(partition, found[1:] if last else found, horizon)
            entries += taken
            more |= left
        for partition, found in zip(lost, await self._read([(one, b"") for one in lost]), strict=True):
            self._last.pop(partition.number, None)
            taken, left = self._taken(partition, found, horizon)
            entries += taken
            more |= left
        return Look(tuple(sorted(entries, key=_by_order)), missed or bool(lost), more)

    async def events_of(self, entries: Sequence[Entry]) -> list[RecordedEvents | None]:
        """Return what entries lead to, None for calls that are not kept any more or cannot be read."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in entries:
                partition, watch_id = one.place
                pipe.hmget(partition.watch(watch_id), "i", *range(one.first, one.first + len(one.event_ids)))
                pipe.hvals(partition.line(watch_id))
            answers = await pipe.execute() if entries else []
        return [codec.readable(_recorded, answers[at : at + 2]) for at in range(0, len(answers), 2)]

    async def tenants_of(self, entries: Sequence[Entry]) -> list[frozenset[str]]:
        """Return who is subscribed to the call of each entry."""
        calls = [
            ScriptCall(
                "tenants_of", [one.place.partition.registrations(one.place.watch_id)], [one.place.partition.prefix]
            )
            for one in entries
        ]
        answers = await self._ledger.run_each(calls) if calls else []
        return [frozenset(tenants.decode().split()) for [tenants] in answers]

    async def _read(self, asked: Sequence[tuple[Partition, bytes]]) -> list[list[Any]]:
        if not asked:
            return []
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for partition, last in asked:
                pipe.xrange(partition.journal, last or "-", "+")
            answers: list[list[Any]] = await pipe.execute()
        return answers

    def _taken(self, partition: Partition, found: Sequence[Any], horizon_ms: int) -> tuple[list[Entry], bool]:
        """Return those that were recorded before a moment, and whether others are left for later."""
        entries: list[Entry] = []
        for number, fields in found:
            order = _order(number, partition)
            if order.ms >= horizon_ms:
                return entries, True
            self._last[partition.number] = number
            if entry := _entry(order, partition, fields):
                entries.append(entry)
        return entries, False


def _by_order(entry: Entry) -> Order:
    return entry.order


def _order(number: bytes, partition: Partition) -> Order:
    ms, _, count = number.partition(b"-")
    return Order(int(ms), int(count), partition.number)


def _entry(order: Order, partition: Partition, fields: dict[bytes, bytes] | None) -> Entry | None:
    try:
        watch_id, first, event_ids = (fields or {})[b"w"], (fields or {})[b"s"], (fields or {})[b"i"]
        return Entry(order, CallPlace(partition, watch_id.decode()), int(first), tuple(event_ids.decode().split()))
    except (KeyError, ValueError):
        log.error("an entry of the journal cannot be read", extra={"partition": partition.number})  # noqa: TRY400
        return None


def _recorded(answers: Sequence[Any]) -> RecordedEvents | None:
    (call, *found), line = answers
    if call is None or not line or None in found:
        return None
    return RecordedEvents(codec.unpack_names(line, call), tuple(codec.unpack_event(event) for event in found))
