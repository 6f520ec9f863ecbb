"""The ledger's clock: all workers go by Redis' time, so that one with a wrong clock harms nobody.

The nodes of a cluster have a clock each, and what is due in a partition is claimed by the clock of its node. Workers
go by the slowest of them: then nothing is claimed later than it is due by their own clock. What is claimed early, by a
node whose clock is ahead, waits in the worker for its instant, and its lease ends earlier by the difference.
"""

import time

# A node that was not heard of for so long has left, or nothing happens there.
_HEARD_SECONDS = 60.0


class StoreClock:
    """Redis' time, carried on by this machine's monotonic clock between the answers that tell it."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        # By node: its time less the monotonic clock's, and when that was told by the latter.
        self._told: dict[str, tuple[float, float]] = {}

    def set(self, redis_ms: int, node: str = "") -> None:
        """Take over the time that a node has just told, in Unix milliseconds."""
        heard = time.monotonic()
        offset = redis_ms / 1000 - heard
        self._told[node] = (offset, heard)
        if len(self._told) > 1:
            self._told = {name: told for name, told in self._told.items() if heard - told[1] < _HEARD_SECONDS}
            offset = min(offset for offset, _ in self._told.values())
        self._offset = offset

    def now(self) -> float:
        """Return Unix seconds."""
        return time.monotonic() + self._offset
