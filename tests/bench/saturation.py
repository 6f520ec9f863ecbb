"""How many polls a second this machine can make, everything included.

One poll worker, one deliver worker, the API, Redis, the stub and the bench share the machine. Calls in mid-life, whose
transitions are spread over a minute, are added until fewer polls are made in a second than are due: those that are
made then are what saturation means here. Which process is full at that time is told with it; a poll worker that has all
of a core, or a machine without an idle core.
"""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.bench.cpu import machine_cpu_seconds
from tests.bench.filling import follow, subscription
from tests.bench.lives import Life
from tests.bench.system import PACES, System, system

# Polls a second that are due at each step.
_STEPS = (500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12_000)
_SETTLE_SECONDS = 4.0
_WINDOW_SECONDS = 5.0
_TRANSITIONS_SECONDS = 60.0
# What comes through of what is due, below which the machine is full.
_FULL = 0.92


@dataclass(frozen=True, slots=True)
class Saturation:
    """Polls per second at saturation, and what each process then takes of a core."""

    polls_per_second: float
    due_per_second: float
    cores: dict[str, float]


async def saturate(interval: float, latency_seconds: float) -> Saturation:
    """Find the saturation with calls that are each due every `interval` seconds."""
    async with system(dict.fromkeys(PACES, interval)) as running:
        await running.stub.set(latency_seconds=latency_seconds, remember=False)
        await running.start_api()
        for kind in ("poll", "deliver"):
            await running.start_worker(kind)
        live = 0
        for due in _STEPS:
            await _add(running, live, round(due * interval))
            live = round(due * interval)
            await asyncio.sleep(_SETTLE_SECONDS)
            made, cores = await rates(running, _WINDOW_SECONDS)
            if made < _FULL * due:
                return Saturation(made, due, cores)
    raise RuntimeError("no machine was thought to be as fast as this one")


async def rates(running: System, seconds: float) -> tuple[float, dict[str, float]]:
    """Return polls per second, and what each process takes of a core, over so many seconds.

    `others` are what else runs on the machine: where that is more than next to nothing, the figures say little.
    """
    cpu, gets, start = _cpu(running), (await running.stub.counters()).gets, time.perf_counter()
    await asyncio.sleep(seconds)
    polls, took = (await running.stub.counters()).gets - gets, time.perf_counter() - start
    cores = {name: (spent - cpu[name]) / took for name, spent in _cpu(running).items()}
    machine = cores.pop("machine")
    return polls / took, {**cores, "others": machine - sum(cores.values())}


def _cpu(running: System) -> dict[str, float]:
    return {**running.cpu(), "bench": time.process_time(), "machine": machine_cpu_seconds()}


async def _add(running: System, live: int, wanted: int) -> None:
    chance = random.Random(live)  # noqa: S311 -- a repeatable load
    epoch = round(time.time() * 1000) - 1000

    def new(number: int) -> str:
        offsets = sorted(round(chance.uniform(0, _TRANSITIONS_SECONDS * 1000)) for _ in range(4))
        return Life(epoch, tuple(offsets)).sid(live + number)

    url = f"{running.stub.url}/integrations/calls"
    await follow(
        running.resources,
        wanted - live,
        lambda number: subscription(running.tenant_id, new(number), url, {}),
        batch=100,
    )
