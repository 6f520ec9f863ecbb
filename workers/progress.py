"""Whether a worker gets on: what its liveness is judged by.

How it works. Each thing that could stand still for ever tells for how long it has shown no sign of moving, beyond what
it may take by its own bounds: nothing to do is no standstill. Time in which Redis did not answer does not count, since
a new process would have to wait for it as well. A blocked event loop answers nobody, so nothing here looks for one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

# A look into the queue takes milliseconds, and so does whatever else is judged: seconds are for a machine that is busy.
# With the probe's period of 5 s and two failures in a row, a worker is restarted within half a minute.
STANDSTILL_SECONDS = 12.0
_ASK_EVERY_SECONDS = 2.0
# As long as the probe of the readiness waits; a Redis that is slower is as good as away.
_ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that could stand still: `idle_seconds` tells for how long it has, 0 while all is well."""

    what: str
    idle_seconds: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Moving:
    """All gets on; `idle_seconds` is what the least lively part has not moved for."""

    idle_seconds: float


@dataclass(frozen=True, slots=True)
class StandingStill:
    """Something does not get on any more, and a new process would."""

    what: str
    idle_seconds: float


def judge(signs: Sequence[Sign], excused_seconds: float) -> Moving | StandingStill:
    """Judge what the signs tell; `excused_seconds` is how long ago Redis last failed to answer."""
    idle, what = max(((sign.idle_seconds(), sign.what) for sign in signs), default=(0.0, ""))
    idle = min(idle, excused_seconds)
    return StandingStill(what, idle) if idle > STANDSTILL_SECONDS else Moving(idle)


class RedisWatch:
    """Asks Redis again and again whether it is there, for those whose standstill would be its own."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        """`ask` raises what it likes where Redis does not answer; it is given up after some seconds."""
        self._ask = ask
        self._away_at = float("-inf")

    def seconds_ago(self) -> float:
        """Return how long ago Redis last failed to answer; without end when it never has."""
        return time.monotonic() - self._away_at

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._ask()
            except Exception:  # noqa: BLE001 -- whatever it says: this is not the place to judge Redis' errors
                self._away_at = time.monotonic()
            await asyncio.sleep(max(0.0, begun + _ASK_EVERY_SECONDS - time.monotonic()))
