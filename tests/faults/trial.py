"""One fault under load: it happens, it ends, and all is to be well again without a hand."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.faults.fault import Fault
from tests.faults.load import Load
from tests.faults.observer import Observer
from tests.faults.stage import Stage
from tests.peers import eventually

# What takes longer than this has not healed.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault that happened; moments are Unix seconds."""

    fault: Fault
    began: float
    ended: float

    @property
    def lasted(self) -> float:
        """Seconds."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a fault.

    `healed` is how many seconds after its end all was well, infinite when it was not within the patience. `seen` is
    what an operator saw from its beginning until then.
    """

    broken: Broken
    calls: int
    healed: float
    seen: Sequence[str] = field(default=(), repr=False)

    @property
    def in_time(self) -> bool:
        return self.healed <= self.broken.fault.heals_within


async def try_out(stage: Stage, fault: Fault, *, load: Load, chance: Random, calls: int, observer: Observer) -> Trial:
    """Place half of the calls, let the fault happen in the midst of their lives, place the others meanwhile."""
    before = calls // 2
    await load.place(before)
    # Not at a beat of the service's own.
    await asyncio.sleep(chance.uniform(0.2, 2.0))
    began = time.time()
    async with observer.watching(), asyncio.TaskGroup() as group:
        async with fault.happens(stage, chance):
            placing = group.create_task(load.place(calls - before))
            await asyncio.sleep(fault.seconds)
        ended = time.time()
        healed = await until_well(load, placing, ended, observer)
        placing.cancel()
    return Trial(Broken(fault, began, ended), calls, healed, observer.seen())


async def until_well(load: Load, placing: "asyncio.Task[None]", ended: float, observer: Observer) -> float:
    """Return how many seconds after `ended` receivers had all that was true then, and all processes were ready."""
    with suppress(TimeoutError, AssertionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await placing
            await load.until_caught_up(ended, PATIENCE_SECONDS)
            await eventually(observer.all_ready, "all processes are ready", PATIENCE_SECONDS)
            return time.time() - ended
    return float("inf")
