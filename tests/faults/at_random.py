"""Faults at random: which, when and for how long is the generator's choice, also two at the same time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random

from tests.faults.effect import NothingBroke
from tests.faults.fault import Fault
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.faults.trial import Broken

# So many are under way at the same time at most, and each is followed by so many seconds of this machine on average.
_AT_ONCE = 2
_GAP_SECONDS = 6.0
_CALLS_AT_ONCE = 5


async def break_at_random(
    stage: Stage, faults: Sequence[Fault], chance: Random, seconds: float, tell: Callable[[str], None]
) -> list[Broken]:
    """Let faults happen for so many seconds. The last ones end a little later."""
    broken: list[Broken] = []
    touched: set[str] = set()
    ends = time.monotonic() + seconds

    async def devil(own: Random) -> None:
        while time.monotonic() < ends:
            await asyncio.sleep(own.expovariate(1 / _GAP_SECONDS))
            fault = own.choice([one for one in faults if one.touches not in touched])
            touched.add(fault.touches)
            began = time.time()
            try:
                async with fault.happens(stage, own):
                    await asyncio.sleep(fault.seconds * own.uniform(0.5, 1.5))
                broken.append(Broken(fault, began, time.time()))
                tell(f"{fault.name}: {broken[-1].lasted:.1f} s")
            except* NothingBroke as beside:
                # While no poll worker lives, for one, an upstream's mood shows in nothing.
                tell(f"{fault.name}: in vain beside what else was broken ({_reasons(beside)})")
            touched.discard(fault.touches)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(devil(Random(chance.random())))  # noqa: S311 -- a trial, not a secret
    return sorted(broken, key=lambda one: one.began)


def _reasons(group: BaseExceptionGroup[NothingBroke]) -> str:
    return "; ".join(dict.fromkeys(str(one) for one in group.exceptions))


async def place_all_the_time(load: Load, calls: int, seconds: float) -> None:
    """Place so many calls, some at a time, spread over so many seconds; returns when all are registered."""
    turns = -(-calls // _CALLS_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for _ in range(turns):
            group.create_task(load.place(_CALLS_AT_ONCE))
            await asyncio.sleep(seconds / turns)
