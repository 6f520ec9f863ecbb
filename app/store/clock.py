"""The ledger's clock: all workers go by Redis' time, so that one with a wrong clock harms nobody."""

import time


class StoreClock:
    """Redis' time, carried on by this machine's monotonic clock between the answers that tell it."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def set(self, redis_ms: int) -> None:
        """Take over the time that a script has just returned, in Unix milliseconds."""
        self._offset = redis_ms / 1000 - time.monotonic()

    def now(self) -> float:
        """Return Unix seconds."""
        return time.monotonic() + self._offset
