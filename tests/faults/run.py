"""A whole run of the suite: the installation is opened, faults happen to it, and the judge says what came of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.dev.simulator import SimulatorSettings
from tests.faults.at_random import break_at_random, place_all_the_time
from tests.faults.effect import NothingBroke
from tests.faults.evidence import judgement_of, row_of
from tests.faults.fault import Fault
from tests.faults.load import Load
from tests.faults.observer import Observer
from tests.faults.report import FaultRow, broken
from tests.faults.stage import Stage, open_stage
from tests.faults.trial import PATIENCE_SECONDS, Broken, Trial, try_out, until_well
from tests.judgement import Judgement
from tests.loops import StrictLoop

# Half of the talks take more than a minute: a second and a half here.
_LAPSE = 45.0
# For hours of calls: a minute is as long as five seconds, which are longer than a lease.
_LAPSE_OF_HOURS = 12.0
_HOUR_SECONDS = 3600.0
_CALLS_PER_SECOND = 1.8
_AT_RANDOM = "faults at random, two at a time"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    `unasked` are the processes that ended though nobody had asked them to, or ended badly; `refusals` counts what
    registrations were answered that were not taken at once. `in_vain` are faults that showed in nothing, since what
    the one before had broken was not well again: receivers get nothing while no deliver worker has found Redis.
    """

    rows: Sequence[FaultRow]
    judgement: Judgement
    unasked: Sequence[str]
    refusals: dict[str, int]
    in_vain: Sequence[str] = ()

    def objections(self) -> list[str]:
        """Return all that is not as promised."""
        return broken(self.rows, self.judgement) + list(self.unasked)


def one_after_another(faults: Sequence[Fault], seed: int, calls: int, tell: Tell) -> Outcome:
    """Let each fault happen, in this order, with so many calls in all."""
    chance = _chance(seed)
    each = -(-calls // len(faults))

    async def run() -> Outcome:
        async with _installation(seed, _LAPSE) as (stage, load, observer):
            trials: list[Trial] = []
            for number, fault in enumerate(faults, 1):
                trials.append(await try_out(stage, fault, load=load, chance=chance, calls=each, observer=observer))
                healed = f"healed in {trials[-1].healed:.1f} s"
                tell(f"{number:3}/{len(faults)} {_lasted(trials[-1].broken)}, {healed}")
            judgement = await _judged(stage, load)
            return _outcome(stage, load, [row_of(one, judgement) for one in trials], judgement)

    return _in_a_loop(run)


def in_quick_succession(faults: Sequence[Fault], seed: int, calls: int, seconds: float) -> Outcome:
    """Let each fault happen for so many seconds, in this order, and the next one whether or not all is well again."""
    chance = _chance(seed)

    async def run() -> Outcome:
        async with _installation(seed, _LAPSE) as (stage, load, _), asyncio.TaskGroup() as group:
            placing = group.create_task(place_all_the_time(load, calls, seconds * len(faults)))
            in_vain = []
            for fault in faults:
                try:
                    async with fault.happens(stage, chance):
                        await asyncio.sleep(seconds)
                except* NothingBroke:
                    in_vain.append(fault.name)
            await placing
            judgement = await _judged(stage, load)
            return replace(_outcome(stage, load, [], judgement), in_vain=in_vain)

    return _in_a_loop(run)


def at_random(faults: Sequence[Fault], seed: int, hours: float, tell: Tell) -> Outcome:
    """Let faults happen at random while so many hours of calls go by in time lapse."""
    chance = _chance(seed)
    worst = max(one.heals_within for one in faults)
    seconds = hours * _HOUR_SECONDS / _LAPSE_OF_HOURS
    calls = round(seconds * _CALLS_PER_SECOND)

    async def run() -> Outcome:
        async with _installation(seed, _LAPSE_OF_HOURS) as (stage, load, observer), asyncio.TaskGroup() as group:
            placing = group.create_task(place_all_the_time(load, calls, seconds))
            began = time.time()
            async with observer.watching():
                happened = await break_at_random(stage, faults, chance, seconds, tell)
                ended = time.time()
                healed = await until_well(load, placing, ended, observer)
            judgement = await _judged(stage, load)
            lags = judgement.lags(began, ended)
            row = FaultRow(f"{len(happened)} {_AT_RANDOM}", ended - began, calls, lags, healed, worst, observer.seen())
            return _outcome(stage, load, [row], judgement)

    return _in_a_loop(run)


@asynccontextmanager
async def _installation(seed: int, lapse: float) -> AsyncIterator[tuple[Stage, Load, Observer]]:
    simulator = SimulatorSettings(seed=seed, time_lapse=lapse, slow_seconds=0.5)
    with TemporaryDirectory(prefix="ringback-faults-") as folder:
        async with (
            open_stage(Path(folder), simulator) as stage,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            yield stage, Load(stage, _chance(seed), client), Observer(stage, client)


async def _judged(stage: Stage, load: Load) -> Judgement:
    """Wait until all calls are over and told, and judge."""
    await load.until_settled()
    end = load.last_moment()
    # What is missing after that, the judge says.
    with suppress(AssertionError):
        await load.until_caught_up(end, PATIENCE_SECONDS + max(0, end - time.time()))
    return await judgement_of(stage, load)


def _outcome(stage: Stage, load: Load, rows: Sequence[FaultRow], judgement: Judgement) -> Outcome:
    return Outcome(rows, judgement, [one for member in stage.members for one in member.unasked], load.refusals)


def _lasted(one: Broken) -> str:
    return f"{one.fault.name}: {one.lasted:.1f} s"


def _in_a_loop(run: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    with asyncio.Runner(loop_factory=StrictLoop) as runner:
        return runner.run(run())


def _chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 -- a trial, not a secret
