"""How many more active subscriptions a tenant may have, asked of the ledger about once a second.

The count lies in as many places as there are partitions. What this process has registered since it was read is added to
it, and a tenant is never refused on an old count. Several processes may let a tenant have what each of them
registers within a second too much.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_FRESH_SECONDS = 1.0
# Tenants whose count is kept; those of long ago are asked for again.
_MOST_KEPT = 10_000


@dataclass(slots=True)
class Taken:
    """Room that is held while something is registered, and how much of it was used."""

    room: int
    used: int = 0


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class _Count:
    """A count as it was read and when, what this process has registered since, and what is held."""

    read: int = 0
    at: float = -math.inf
    made: int = 0
    held: int = 0
    # Who reads anew does so alone, and when nothing is held: what is being registered would be counted twice.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    quiet: asyncio.Event = field(default_factory=_set)

    def room(self, most: int, now: float) -> int:
        """Return the room there is for sure; none by an old count."""
        return max(0, most - self.read - self.made - self.held) if now - self.at < _FRESH_SECONDS else 0

    def hold(self, room: int) -> None:
        self.held += room
        if self.held:
            self.quiet.clear()
        else:
            self.quiet.set()


class ActiveRoom:
    """Hands out a tenant's room; `count` reads how many active subscriptions a tenant has."""

    def __init__(self, count: Callable[[str], Awaitable[int]]) -> None:
        self._count = count
        self._counts: dict[str, _Count] = {}

    @asynccontextmanager
    async def taken(self, tenant_id: str, most: int, wanted: int) -> AsyncIterator[Taken]:
        """Hold room for up to `wanted` more; what of it is not used by the end is given back."""
        count = self._count_of(tenant_id)
        if count.room(most, _now()) < wanted:
            await self._read(tenant_id, count, most, wanted)
        taken = Taken(min(wanted, count.room(most, _now())))
        count.hold(taken.room)
        try:
            yield taken
        finally:
            count.made += taken.used
            count.hold(-taken.room)

    async def _read(self, tenant_id: str, count: _Count, most: int, wanted: int) -> None:
        """Count anew, unless whoever was before us has done so and left room enough."""
        async with count.turn:
            if count.room(most, _now()) >= wanted:
                return
            # From here on nobody takes anything by the old count.
            count.at = -math.inf
            await count.quiet.wait()
            read = await self._count(tenant_id)
            count.read, count.made, count.at = read, 0, _now()

    def _count_of(self, tenant_id: str) -> _Count:
        if tenant_id not in self._counts:
            if len(self._counts) >= _MOST_KEPT:
                self._counts.pop(next(iter(self._counts)))
            self._counts[tenant_id] = _Count()
        return self._counts[tenant_id]


def _now() -> float:
    return asyncio.get_running_loop().time()
