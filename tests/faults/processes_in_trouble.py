"""Processes that are killed, told to end or stand still."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from tests.faults.effect import something
from tests.faults.fault import Fault, Happens
from tests.faults.member import Kind, Member
from tests.faults.stage import Stage

# Longer than any lease of the stage: a request's timeout of 2 s, and 5 s between a claim and its record.
_STANDSTILL_SECONDS = 9.0
# A process is started again after a second, and needs some for that; SIGTERM drains first.
_RESTARTED_WITHIN_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.05
_ENDS_IN_A_ROW = 4
# Somewhere between the interpreter's first line and the first claim.
_YOUNG_SECONDS = (0.05, 1.5)


def _killed(*kinds: Kind, everyone: bool = False) -> Happens:
    """Kill a process of one of these kinds, or each of them at the same moment."""

    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        victims = stage.all_of(*kinds) if everyone else [stage.one_of(chance, *kinds)]
        before = [one.restarts for one in victims]
        for one in victims:
            one.kill()
        try:
            yield
        finally:
            await _until_restarted(victims, before)

    return happens


def _told_to_end(kind: Kind) -> Happens:
    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        victim = stage.one_of(chance, kind)
        before = victim.restarts
        await _until_running(victim)
        victim.ask_to_end()
        try:
            yield
        finally:
            await _until_restarted([victim], [before])

    return happens


@asynccontextmanager
async def _all_in_turn(stage: Stage, chance: Random) -> AsyncIterator[None]:
    """Tell each process to end once the one before it runs again, as an upgrade does."""

    async def roll() -> None:
        for one in chance.sample(list(stage.members), len(stage.members)):
            before = one.restarts
            await _until_running(one)
            one.ask_to_end()
            await _until_restarted([one], [before])

    rolling = asyncio.create_task(roll())
    try:
        yield
    finally:
        await rolling


def _killed_while_it_starts(*kinds: Kind) -> Happens:
    """Kill a process, and again a moment after each of its starts."""

    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        victim = stage.one_of(chance, *kinds)

        async def kill() -> None:
            for _ in range(_ENDS_IN_A_ROW):
                before = victim.restarts
                victim.kill()
                await _until_restarted([victim], [before])
                await asyncio.sleep(chance.uniform(*_YOUNG_SECONDS))

        killing = asyncio.create_task(kill())
        try:
            yield
        finally:
            await killing

    return happens


def _standing_still(*kinds: Kind, everyone: bool = False) -> Happens:
    """Stop a process of one of these kinds, or each of them: when it goes on, what it holds is not its own any more."""

    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        victims = stage.all_of(*kinds) if everyone else [stage.one_of(chance, *kinds)]
        for one in victims:
            await _until_running(one)
        try:
            for one in victims:
                one.stop()
            yield
            something(all(_is_stopped(one) for one in victims), "they do not stand still")
        finally:
            for one in victims:
                one.go_on()

    return happens


def _is_stopped(member: Member) -> bool:
    # Its state stands behind its name, which is in brackets.
    return Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def _until_running(member: Member) -> None:
    """Wait for one that an orchestrator is about to start."""
    deadline = time.monotonic() + _RESTARTED_WITHIN_SECONDS
    while not member.process.runs:
        assert time.monotonic() < deadline, f"{member.name} is not started again"
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _until_restarted(members: Sequence[Member], before: Sequence[int]) -> None:
    deadline = time.monotonic() + _RESTARTED_WITHIN_SECONDS
    while any(one.restarts == count for one, count in zip(members, before, strict=True)):
        something(time.monotonic() < deadline, f"not all of {[one.name for one in members]} have ended")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


FAULTS = (
    Fault("a poll worker is killed", "processes", _killed("poll"), 3),
    Fault("a deliver worker is killed", "processes", _killed("deliver"), 3),
    Fault("an API process is killed", "processes", _killed("api"), 3),
    Fault("both poll workers are killed at once", "processes", _killed("poll", everyone=True), 3),
    Fault("both deliver workers are killed at once", "processes", _killed("deliver", everyone=True), 3),
    Fault("all processes are killed at once", "processes", _killed("api", "poll", "deliver", everyone=True), 3, 20),
    Fault(
        "a poll worker stands still for longer than a lease", "processes", _standing_still("poll"), _STANDSTILL_SECONDS
    ),
    Fault(
        "a deliver worker stands still for longer than a lease",
        "processes",
        _standing_still("deliver"),
        _STANDSTILL_SECONDS,
    ),
    Fault("an API process stands still", "processes", _standing_still("api"), _STANDSTILL_SECONDS),
    Fault(
        "all workers stand still for longer than a lease",
        "processes",
        _standing_still("poll", "deliver", everyone=True),
        _STANDSTILL_SECONDS,
    ),
    Fault("a poll worker is told to end", "processes", _told_to_end("poll"), 4),
    Fault("a deliver worker is told to end", "processes", _told_to_end("deliver"), 4),
    Fault("an API process is told to end", "processes", _told_to_end("api"), 4),
    Fault("all processes are told to end one after the other", "processes", _all_in_turn, 12),
    Fault("a poll worker is killed again and again while it starts", "processes", _killed_while_it_starts("poll"), 8),
    Fault(
        "a deliver worker is killed again and again while it starts", "processes", _killed_while_it_starts("deliver"), 8
    ),
)
