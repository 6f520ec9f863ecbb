"""How soon a transition of one call has reached a thousand subscribers, with all of Ringback on one core.

The poll worker, the deliver worker and Redis share a core; the stub, which is upstream and receiver, and this process
have another. The time runs from when the poll's answer was there (the event's `observed_at`) to the arrivals: what
lies before is the wait for the poll and the upstream's own time. It has in it the commit, the doorbell, the claims and
a thousand signed POSTs to one destination, with the settings' defaults.

The transitions that are measured are those that happen once all subscribers have what happened before.
"""

import asyncio
import os
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import click

from tests.bench.filling import follow, subscription
from tests.bench.lives import Life
from tests.bench.stub_process import Arrival
from tests.bench.system import PACES, System, pin, received, system
from tests.builders import make_key

_RUNS = 3
_SUBSCRIBERS = 1000
_INTERVAL = 1.0
_ON_THE_CORE = ("redis", "poll", "deliver")
# Time enough to register all, and for each transition to reach them.
_OFFSETS_MS = (500, 8_000, 12_000, 16_000)
_FIRST_MEASURED = 3
_PATIENCE_SECONDS = 60.0
_AIM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FanOut:
    """One transition: seconds from when it was seen to its first, middle and last arrival.

    `cpu_seconds` are those of the poll worker, the deliver worker and Redis from the first arrival to the last: on a
    core that others want too, more time passes than that.
    """

    sequence: int
    arrivals: int
    first: float
    middle: float
    last: float
    cpu_seconds: float


def report() -> list[dict[str, Any]]:
    """Measure several times, print, and return the rows."""
    cores = sorted(os.sched_getaffinity(0))
    rows = [row for _ in range(_RUNS) for row in asyncio.run(measure(cores[0], cores[-1]))]
    click.echo(f"One transition to {_SUBSCRIBERS:,} subscribers, all of Ringback on one core; {len(rows)} transitions")
    for name in ("first", "middle", "last"):
        values = [getattr(row, name) * 1000 for row in rows]
        aim = f"   (aim: under {_AIM_SECONDS * 1000:,.0f})" if name == "last" else ""
        click.echo(
            f"  {name:<7} arrival {statistics.median(values):>6,.0f} ms   {min(values):,.0f}..{max(values):,.0f}{aim}"
        )
    cpu = [row.cpu_seconds * 1000 for row in rows]
    click.echo(f"  of the CPU, from first to last: {statistics.median(cpu):,.0f} ms   {min(cpu):,.0f}..{max(cpu):,.0f}")
    return [asdict(row) for row in rows]


async def measure(core: int, other_core: int) -> list[FanOut]:
    """Let one call live, with Ringback on one core and the rest on another."""
    ours = os.sched_getaffinity(0)
    async with system(dict.fromkeys(PACES, _INTERVAL)) as running:
        for kind in ("poll", "deliver"):
            await running.start_worker(kind)
        pin((running.pids[name] for name in _ON_THE_CORE), core)
        pin((running.stub.pid, os.getpid()), other_core)
        try:
            return await _follow(running)
        finally:
            os.sched_setaffinity(0, ours)


async def _follow(running: System) -> list[FanOut]:
    key = make_key(call_sid=Life(round(time.time() * 1000) - 1000, _OFFSETS_MS).sid(0))
    url = f"{running.stub.url}/integrations/calls"
    await follow(
        running.resources,
        _SUBSCRIBERS,
        lambda number: subscription(running.tenant_id, key.call_sid, f"{url}/{number}", {"deal": f"{number:06}"}),
    )
    partition = running.resources.subscriptions.partition_of_call(key.call_sid)
    running.resources.poll_doorbell.ring(partition.number)
    cpu = {at: await _cpu_of(running, at) for at in range(_FIRST_MEASURED, 2 + len(_OFFSETS_MS))}
    arrivals = await running.stub.arrivals()
    call = await running.resources.watches.read(partition, key.watch_id)
    events = enumerate(call.events if call else (), 1)
    return [_evaluate(arrivals, at, event.observed_at, cpu[at]) for at, event in events if at in cpu]


async def _cpu_of(running: System, sequence: int) -> float:
    """Wait for an event's deliveries; returns the CPU-seconds of Ringback from the first to the last of them."""
    await received([running.stub], (sequence - 1) * _SUBSCRIBERS + 1, _PATIENCE_SECONDS)
    before = running.cpu()
    await received([running.stub], sequence * _SUBSCRIBERS, _PATIENCE_SECONDS)
    return sum(spent - before[name] for name, spent in running.cpu().items() if name in _ON_THE_CORE)


def _evaluate(arrivals: list[Arrival], sequence: int, observed_at: float, cpu_seconds: float) -> FanOut:
    times = sorted(arrival.at - observed_at for arrival in arrivals if arrival.sequence == sequence)
    return FanOut(sequence, len(times), times[0], statistics.median(times), times[-1], cpu_seconds)
