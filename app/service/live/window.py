"""The entries of the journals that a process remembers, so that a stream can go on where it was cut off."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import dropwhile

from app.service.live.inbox import Told
from app.store.journal import BEGINNING, Entry, Order

# At a hundred events a second those of the last minute and a half; about 10 MB once all of them were told.
MOST_REMEMBERED = 10_000


@dataclass(slots=True, eq=False)
class Remembered:
    """An entry, and what it leads to once somebody has asked: nothing where that is not kept any more."""

    entry: Entry
    told: tuple[Told, ...] | None = None
    tenants: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream was cut off: an entry, and how many of its events had been told."""

    remembered: Remembered
    events: int


class Window:
    """The last entries in order. What comes behind any event since `complete_since` is all here."""

    def __init__(self, entries: Iterable[Entry], complete_since: Order = BEGINNING) -> None:
        self.complete_since = complete_since
        self._entries: deque[Remembered] = deque()
        self._by_event: dict[str, Remembered] = {}
        for entry in entries:
            self.add(Remembered(entry))

    def add(self, remembered: Remembered) -> None:
        """Remember an entry. One that comes behind a later one, after a failover, spoils what was complete before."""
        entry = remembered.entry
        if self._entries and entry.order < self._entries[-1].entry.order:
            self.complete_since = self._entries[-1].entry.order
        self._entries.append(remembered)
        self._by_event.update(dict.fromkeys(entry.event_ids, remembered))
        while len(self._entries) > MOST_REMEMBERED:
            self._forget()

    def knows(self, entry: Entry) -> bool:
        return all(one in self._by_event for one in entry.event_ids)

    def broken(self) -> None:
        """Note that something was recorded that is not here."""
        if self._entries:
            self.complete_since = max(self.complete_since, self._entries[-1].entry.order)

    def place_of(self, event_id: str) -> Place | None:
        remembered = self._by_event.get(event_id)
        return Place(remembered, remembered.entry.event_ids.index(event_id) + 1) if remembered else None

    def behind(self, place: Place) -> tuple[list[Remembered], bool]:
        """Return the place's entry and all behind it, and whether nothing is missing among them."""
        found = list(dropwhile(lambda one: one is not place.remembered, self._entries))
        return found, bool(found) and place.remembered.entry.order >= self.complete_since

    def _forget(self) -> None:
        oldest = self._entries.popleft()
        self.complete_since = max(self.complete_since, self._entries[0].entry.order)
        for one in oldest.entry.event_ids:
            if self._by_event.get(one) is oldest:
                del self._by_event[one]
