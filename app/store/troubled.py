"""The destinations in trouble, page by page: what the breakers' records tell to whoever asks about them.

Those that failed last come first, and what fails again meanwhile comes before the first page. A destination that did
not fail again is listed for longer than its record is kept: a page passes over so many of those and no more, so it may
come out short, and says where to go on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.breaker import BreakerState, split_name, state_at
from app.store import keys
from app.store.connection import Ledger

# Behind a destination that failed last at a time in ms.
PLACE = re.compile(r"(\d{1,15}):([0-9a-f]{20})")
# A script blocks Redis while it runs: so many take it a millisecond.
_SCAN_AT_ONCE = 1000
_MOST_SCANNED = 5000


@dataclass(frozen=True, slots=True)
class TroubledDestination:
    """A tenant's destination with failures behind it, and none of its deliveries answered since.

    Times are Unix seconds. `failures` are those in a row, `last_error` is a status or what there was in place of one;
    `open_until` is None unless the breaker is open.
    """

    tenant_id: str
    destination: str
    state: BreakerState
    failures: int
    failing_since: float
    last_error: str
    open_until: float | None


@dataclass(frozen=True, slots=True)
class TroubledPage:
    """Some destinations in trouble; `following` is where to go on, empty at the end."""

    items: tuple[TroubledDestination, ...]
    following: str


class TroubledStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def page(self, *, limit: int, place: str = "", tenant_id: str = "") -> TroubledPage:
        """Return up to `limit` destinations, of one tenant if it is named, behind the place of the page before.

        A page may be short or even empty and yet not the last. Raises `StoreUnavailable`.
        """
        name = keys.troubled_of(tenant_id) if tenant_id else keys.TROUBLED
        found: list[tuple[str, TroubledDestination]] = []
        for _ in range(0, _MOST_SCANNED, _SCAN_AT_ONCE):
            # One more than is shown tells whether anything follows.
            place, listed = await self._look(name, place, limit + 1 - len(found))
            found += listed
            if len(found) > limit:
                return TroubledPage(tuple(one for _, one in found[:limit]), found[limit - 1][0])
            if not place:
                break
        return TroubledPage(tuple(one for _, one in found), place)

    async def _look(self, name: str, place: str, limit: int) -> tuple[str, list[tuple[str, TroubledDestination]]]:
        """Look at some behind a place; returns where to go on, and what was found with the place of each."""
        match = PLACE.fullmatch(place)
        behind = match.groups() if match else ("+inf", "")
        arguments = [keys.breaker(""), *behind, _SCAN_AT_ONCE, limit]
        now_ms, at, digest, rows = await self._ledger.run("troubled_destinations", [name], arguments)
        listed = [(_place(*row[:2]), _destination(row[2:], now_ms / 1000)) for row in rows]
        return _place(at, digest) if digest else "", listed


def _place(at: bytes, digest: bytes) -> str:
    return f"{at.decode()}:{digest.decode()}"


def _destination(fields: Sequence[Any], now: float) -> TroubledDestination:
    name, error, failures, since_ms, until_ms = fields
    tenant_id, destination = split_name(name.decode())
    open_until = int(until_ms) / 1000 if int(until_ms) else None
    state = state_at(now, open_until)
    return TroubledDestination(
        tenant_id,
        destination,
        state,
        int(failures),
        int(since_ms) / 1000,
        error.decode(),
        open_until if state is BreakerState.OPEN else None,
    )
