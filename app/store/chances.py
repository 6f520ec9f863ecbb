"""The chance in ids, which ascends within a millisecond: what one process makes sorts as it was made."""

import os

from app.domain.ids import CHANCE_BYTES

# 55 bits are used of an id's chance; the first of a millisecond leaves room above it for all that follow.
_FIRST_BITS = 54
_STEP_BYTES = 3


class AscendingChances:
    """Draws chance for ids; nobody can tell from one what the next will be."""

    def __init__(self) -> None:
        self._now_ms = -1
        self._last = 0

    def draw(self, now_ms: int, count: int) -> list[bytes]:
        """Return so many draws for ids that are made at a moment in Unix milliseconds."""
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            self._last = int.from_bytes(os.urandom(CHANCE_BYTES)) & ((1 << _FIRST_BITS) - 1)
        steps = os.urandom(_STEP_BYTES * count)
        drawn = []
        for at in range(0, len(steps), _STEP_BYTES):
            self._last += 1 + int.from_bytes(steps[at : at + _STEP_BYTES])
            drawn.append(self._last.to_bytes(CHANCE_BYTES))
        return drawn
