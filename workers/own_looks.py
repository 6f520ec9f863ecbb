"""Looking at a partition without being told to, for what falls due there before the next tick."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.store.connection import StoreUnavailable
from app.store.keys import Partition

# What a look of our own is ahead of what it is for: a claim's round trip, ten times over.
_AHEAD_SECONDS = 0.05

log = logging.getLogger(__name__)


class OwnLooks:
    """Looks for what falls due before the next tick would find it: the ticks alone would make it late.

    One look at a partition claims all that falls due within the horizon, so the earliest look is enough.
    """

    def __init__(self, look: Callable[[Partition], Awaitable[None]]) -> None:
        self._look = look
        # With the time of each: of a timer that is due at once uvloop cannot tell it.
        self._timers: dict[int, tuple[float, asyncio.TimerHandle]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    def within(self, seconds: float, partition: Partition) -> None:
        """Look at a partition before so many seconds are over."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds - _AHEAD_SECONDS)
        if partition.number in self._timers:
            planned, timer = self._timers[partition.number]
            if planned <= when:
                return
            timer.cancel()
        self._timers[partition.number] = (when, loop.call_at(when, self._begin, partition))

    def stop(self) -> None:
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _begin(self, partition: Partition) -> None:
        del self._timers[partition.number]
        task = asyncio.create_task(self._try(partition))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _try(self, partition: Partition) -> None:
        try:
            await self._look(partition)
        except StoreUnavailable as error:
            log.warning("nothing claimed, the next tick will", extra={"reason": str(error)})
