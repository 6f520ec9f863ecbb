"""Clocks of single workers that are stepped while all others go right."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random

from tests.faults.clocks import step
from tests.faults.effect import something
from tests.faults.fault import Fault, Happens
from tests.faults.member import Kind, Member
from tests.faults.stage import Stage

_STEP_SECONDS = 600.0
# A worker that has calls to follow writes a line for each poll and attempt.
_NOTICED_WITHIN_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.2


def _stepped(kind: Kind, seconds: float, *, alone: bool) -> Happens:
    """Step the clock of a worker; `alone` keeps the other ones of its kind away meanwhile, so that it does all."""

    @asynccontextmanager
    async def happens(stage: Stage, _: Random) -> AsyncIterator[None]:
        member = stage.with_own_clock(kind)
        assert member.clock is not None
        others = [one for one in stage.all_of(kind) if one is not member] if alone else []
        before = member.process.log_path.stat().st_size
        step(member.clock, seconds)
        try:
            async with _kept_away(others):
                yield
                if alone:
                    await _until_it_writes_other_times(member, before, seconds)
        finally:
            step(member.clock, 0)

    return happens


@asynccontextmanager
async def _kept_away(members: list[Member]) -> AsyncIterator[None]:
    """Kill processes each time that they have been started again."""

    async def kill() -> None:
        while True:
            for one in members:
                if one.process.runs:
                    one.kill()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    killing = asyncio.create_task(kill())
    try:
        yield
    finally:
        killing.cancel()
        await asyncio.wait([killing])


async def _until_it_writes_other_times(member: Member, begin: int, seconds: float) -> None:
    """Wait until a line tells a time that is off by about as much; fails when none does."""
    deadline = time.monotonic() + _NOTICED_WITHIN_SECONDS
    while not any(abs(off - seconds) < _STEP_SECONDS / 2 for off in _offsets(member, begin)):
        something(time.monotonic() < deadline, f"{member.name} writes no time that is off by {seconds:g} s")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _offsets(member: Member, begin: int) -> list[float]:
    """Return by how much the times of its lines from an offset on are ahead of when the file was last written."""
    with member.process.log_path.open("rb") as log:
        log.seek(begin)
        lines = log.read().splitlines()
    written = member.process.log_path.stat().st_mtime
    times = []
    for line in lines:
        try:
            times.append(datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp() - written)
        except (ValueError, KeyError, TypeError):
            continue
    return times


FAULTS = tuple(
    Fault(
        f"the clock of a {kind} worker is ten minutes {word}{' while it is the only one' if alone else ''}",
        # Some kill the other processes of a kind, and all of a kind step the same clock.
        "processes",
        _stepped(kind, seconds, alone=alone),
        8,
        20,
    )
    for kind in ("poll", "deliver")
    for word, seconds in (("ahead", _STEP_SECONDS), ("behind", -_STEP_SECONDS))
    for alone in (False, True)
)
