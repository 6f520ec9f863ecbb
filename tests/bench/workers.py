"""Two poll workers against one, on the same calls, of which more are due than both can poll.

Where the machine has a core for each of them, for Redis and for the stub, the workers are saturated. Where it has not,
two would only take the CPU from each other, whatever their design; there each has so few connections that it keeps busy
less than half a core, and is full all the same. What the second one adds is then measured, and what it costs beside:
waiting for the same partitions, and claims that another was faster with.
"""

import asyncio
import os
import statistics
from dataclasses import asdict, dataclass
from typing import Any

import click
import uvloop

from tests.bench.followed import Followed, followed
from tests.bench.window import Window, measure

_RUNS = 3
# Redis, the stub and two workers.
_CORES_NEEDED = 4
_CORE_SHARE = 0.4
_CONNECTIONS = 300
_CALLS, _PACE_SECONDS = 12_000, 1.0
_WARM_SECONDS, _SECONDS = 3.0, 8.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """What so many workers with so many connections each did together."""

    workers: int
    connections: int
    run: int
    polls: int
    per_second: float
    cpu_us: float
    redis_cpu_us: float
    share_of_core: float
    most_at_once: int


def report() -> list[dict[str, Any]]:
    """Measure, print the table, and return the rows."""
    rows = uvloop.run(_measure())
    cores = os.cpu_count() or 1
    click.echo(f"Two poll workers against one, {rows[0].connections} connections each; median of {_RUNS} turns")
    if cores < _CORES_NEEDED:
        click.echo(
            f"  {cores} cores for the workers, Redis and the stub: {_CORES_NEEDED} are needed to saturate two workers,"
            f" so each is held to about {_CORE_SHARE:.0%} of a core by its connections"
        )
    click.echo(
        f"{'workers':>9} {'per second':>11} {'us/poll':>8} {'of a core':>10} {'at once':>8} {'Redis us/poll':>14}"
    )
    for workers in (1, 2):
        _print([row for row in rows if row.workers == workers])
    _print_ratio("polls per second", "per_second", rows, " (aim: 1.8)")
    _print_ratio("CPU per poll", "cpu_us", rows, "")
    return [asdict(row) for row in rows]


def _print(rows: list[Scaling]) -> None:
    names = ("per_second", "cpu_us", "share_of_core", "most_at_once", "redis_cpu_us")
    per_second, cpu, share, at_once, redis = (statistics.median(getattr(row, name) for row in rows) for name in names)
    workers = rows[0].workers
    click.echo(f"{workers:>9} {per_second:>11,.0f} {cpu:>8.0f} {share:>10.2f} {at_once:>8.0f} {redis:>14.0f}")


def _print_ratio(what: str, name: str, rows: list[Scaling], aim: str) -> None:
    of = {(row.workers, row.run): getattr(row, name) for row in rows}
    ratios = [of[2, run] / of[1, run] for run in range(_RUNS)]
    click.echo(f"two to one, {what}: {statistics.median(ratios):.2f}{aim}   {min(ratios):.2f}..{max(ratios):.2f}")


async def _measure() -> list[Scaling]:
    async with followed(_CALLS, _PACE_SECONDS) as calls:
        connections = _CONNECTIONS
        if (os.cpu_count() or 1) < _CORES_NEEDED:
            connections = await _modest(calls)
        return [
            _made(workers, connections, run, await _turn(calls, workers, connections))
            for run in range(_RUNS)
            for workers in (1, 2)
        ]


async def _modest(calls: Followed) -> int:
    """Return with how many connections a worker keeps busy the wanted share of a core, in fives."""
    trial = await _turn(calls, 1, 50)
    return max(5, round(_CORE_SHARE / trial.share_of_core * 50 / 5) * 5)


async def _turn(calls: Followed, workers: int, connections: int) -> Window:
    await calls.spread()
    async with calls.workers(workers, connections) as pids:
        await asyncio.sleep(_WARM_SECONDS)
        return await measure(calls.stub, pids, calls.redis_pid, _SECONDS)


def _made(workers: int, connections: int, run: int, seen: Window) -> Scaling:
    return Scaling(
        workers,
        connections,
        run,
        seen.polls,
        seen.per_second,
        seen.cpu_us,
        seen.redis_us,
        seen.share_of_core,
        seen.most_at_once,
    )
