"""From the upstream's list of entries to the call's transitions in their one true order.

How it works. An entry is a status and a time. The list is put in order (`_in_order`), entries said twice
are dropped (equal status and equal time), the final one is put last and alone, and the n-th entry of a
status becomes the transition (status, n). That pair is the transition's identity: it does not move when
the upstream later gives a time more precisely, and a status that was seen before its entry was written
(`snapshot.py`) is the same transition as the entry.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from app.domain.call import RANKS, TERMINAL, Transition, status_name
from app.domain.timestamps import format_timestamp, parse_timestamp

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the upstream's history: the status as it was written, and its time where it has one."""

    status: str
    instant: datetime | None

    @property
    def name(self) -> str:
        return status_name(self.status)


def read_entry(status: str, timestamp: object) -> Entry:
    """Make an entry of the upstream's words; a time that cannot be read is no time."""
    return Entry(status, parse_timestamp(timestamp))


def transitions(entries: Iterable[Entry], current: str) -> tuple[Transition, ...]:
    """Return the transitions that a history tells of, in order.

    `current` is the call's status by the same answer: it decides which entry ends the call should the
    history hold several terminal ones.
    """
    told = _without_repetitions(entry for entry in entries if entry.name)
    ordered = _final_last(_in_order(told), status_name(current))
    counts: Counter[str] = Counter()
    found = []
    for entry in ordered:
        counts[entry.name] += 1
        at = format_timestamp(entry.instant) if entry.instant else ""
        found.append(Transition(entry.name, entry.status, counts[entry.name], at))
    return tuple(found)


def _without_repetitions(entries: Iterable[Entry]) -> list[Entry]:
    first: dict[tuple[str, datetime | None], Entry] = {}
    for entry in entries:
        first.setdefault((entry.name, entry.instant), entry)
    return list(first.values())


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Keep the list's order where it makes sense, and else go by the times.

    It makes sense when its times do not run backwards, or when its statuses follow the course of a call
    (then a clock upstream was off), which takes at least two that have a place in it. A list for which
    neither holds was shuffled or is the newest first.
    """
    times = _filled_times(entries)
    ranks = [rank for entry in entries if (rank := RANKS.get(entry.name)) is not None]
    if _ascending(times) or (len(set(ranks)) > 1 and _ascending(ranks)):
        return entries
    unknown = max(RANKS.values())
    by_time = sorted(
        zip(times, entries, strict=True),
        key=lambda pair: (pair[0], RANKS.get(pair[1].name, unknown)),
    )
    return [entry for _, entry in by_time]


def _filled_times(entries: Sequence[Entry]) -> list[datetime]:
    """An entry without a time stands where it stood: directly behind the one before it."""
    times, latest = [], _LONG_AGO
    for entry in entries:
        latest = entry.instant or latest
        times.append(latest)
    return times


def _ascending(values: Sequence[datetime] | Sequence[int]) -> bool:
    return all(earlier <= later for earlier, later in pairwise(values))  # type: ignore[operator]


def _final_last(entries: list[Entry], current: str) -> list[Entry]:
    """Terminal statuses never change: one entry ends the call, and nothing stands behind it."""
    terminal = [entry for entry in entries if entry.name in TERMINAL]
    if not terminal:
        return entries
    ending = next((entry for entry in terminal if entry.name == current), terminal[0])
    return [entry for entry in entries if entry.name not in TERMINAL] + [ending]
