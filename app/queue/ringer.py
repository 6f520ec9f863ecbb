"""Ringing for partitions: many rings in short succession become one or two, in one round trip."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

# Rings for one partition are at least so far apart; the last one of a burst is always rung.
_SPACING_SECONDS = 0.01
# Between two round trips: at the most 200 a second, whatever is rung for.
_BREATH_SECONDS = 0.005
# What a process that ends waits for at each of its ringers where Redis hangs.
_LAST_RING_SECONDS = 2.0


class Ringer(ABC):
    """Tells others that there is something to look at; a ring that is lost costs time and nothing else."""

    def __init__(self) -> None:
        # The partitions to ring for, and from when on each may be rung for; in the loop's seconds.
        self._waiting: dict[int, float] = {}
        self._last_rung: dict[int, float] = {}
        self._ringer: asyncio.Task[None] | None = None

    @abstractmethod
    async def _ring_for(self, partitions: Sequence[int]) -> None:
        """Ring for these partitions; raises nothing where Redis does not answer."""

    def ring(self, partition: int) -> None:
        """Ring for a partition. Returns at once; several rings in short succession become one or two."""
        if partition in self._waiting:
            return
        self._waiting[partition] = self._last_rung.get(partition, -_SPACING_SECONDS) + _SPACING_SECONDS
        if self._ringer is None:
            self._ringer = asyncio.create_task(self._ring_all())

    async def aclose(self) -> None:
        """Wait for the rings under way, for seconds at the most: the ticks would do as well."""
        if self._ringer:
            _, unheard = await asyncio.wait({self._ringer}, timeout=_LAST_RING_SECONDS)
            for ringer in unheard:
                ringer.cancel()
                with suppress(asyncio.CancelledError):
                    await ringer

    async def _ring_all(self) -> None:
        """Ring until nobody waits to be rung for; those whose time has come together."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(min(self._waiting.values()) - loop.time())
                now = loop.time()
                ripe = [partition for partition, ripens in self._waiting.items() if ripens <= now]
                for partition in ripe:
                    # From here on a further ring is one of its own: what it tells of may come after this one is heard.
                    del self._waiting[partition]
                    self._last_rung[partition] = now
                if ripe:
                    await self._ring_for(ripe)
                    await asyncio.sleep(_BREATH_SECONDS)
        finally:
            self._ringer = None
