"""CPU per poll with 1 thousand, 10 thousand and 100 thousand live calls.

The same polls per second for each, so the pace grows with the calls: what differs is how many the ledger holds. Each
number has a Redis and a stub of its own, and takes turns with the others, so that a machine that changes its pace is
fair to all. The worker is never saturated, and a poll costs more than at saturation: less is done in one go.
"""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import click
import uvloop

from tests.bench.followed import Followed, followed
from tests.bench.window import Window, measure

_RUNS = 3
_CALLS = (1_000, 10_000, 100_000)
# A thousand calls at the vendor's shortest pace.
_PER_SECOND = 500
# Until a worker surely listens: calls that were due before would be polled in a bunch, which is cheaper.
_START_SECONDS = 8.0
_WARM_SECONDS, _SECONDS = 3.0, 12.0
_MOST_APART = 0.15
_KEPT_UP = 0.95


@dataclass(frozen=True, slots=True)
class Cost:
    """What a poll cost with so many live calls, in microseconds of the CPU: the worker's, and Redis'."""

    calls: int
    run: int
    polls: int
    per_second: float
    cpu_us: float
    redis_cpu_us: float


def report() -> list[dict[str, Any]]:
    """Measure, print the table, and return the rows."""
    costs = uvloop.run(_measure())
    click.echo(f"CPU per poll by live calls, {_PER_SECOND} polls a second due; median of {_RUNS} turns")
    click.echo(f"{'calls':>9} {'pace':>7} {'per second':>11} {'us/poll':>8} {'spread':>10} {'Redis us/poll':>14}")
    for calls in _CALLS:
        _print([cost for cost in costs if cost.calls == calls])
    fewest, most = _CALLS[0], _CALLS[-1]
    ratios = [_cost(costs, most, run).cpu_us / _cost(costs, fewest, run).cpu_us - 1 for run in range(_RUNS)]
    click.echo(
        f"{most:,} to {fewest:,} calls: {statistics.median(ratios):+.0%} (aim: within {_MOST_APART:.0%})"
        f"   {min(ratios):+.0%}..{max(ratios):+.0%}"
    )
    if slow := sum(cost.per_second < _KEPT_UP * _PER_SECOND for cost in costs):
        click.echo(f"{slow} of {len(costs)} turns did not keep up: the machine was busy with something else")
    return [asdict(cost) for cost in costs]


def _print(costs: list[Cost]) -> None:
    per_second, cpu, redis = (
        statistics.median(getattr(cost, name) for cost in costs) for name in ("per_second", "cpu_us", "redis_cpu_us")
    )
    spread = f"{min(cost.cpu_us for cost in costs):.0f}..{max(cost.cpu_us for cost in costs):.0f}"
    calls = costs[0].calls
    click.echo(
        f"{calls:>9,} {calls / _PER_SECOND:>5.0f} s {per_second:>11,.0f} {cpu:>8.0f} {spread:>10} {redis:>14.0f}"
    )


def _cost(costs: list[Cost], calls: int, run: int) -> Cost:
    return next(cost for cost in costs if cost.calls == calls and cost.run == run)


async def _measure() -> list[Cost]:
    async with AsyncExitStack() as stack:
        all_sizes = [await stack.enter_async_context(followed(calls, calls / _PER_SECOND)) for calls in _CALLS]
        return [_made(len(one.sids), run, await _turn(one)) for run in range(_RUNS) for one in all_sizes]


async def _turn(calls: Followed) -> Window:
    begin = await calls.spread(_START_SECONDS)
    async with calls.workers() as pids:
        await asyncio.sleep(max(0.0, begin - time.time()) + _WARM_SECONDS)
        return await measure(calls.stub, pids, calls.redis_pid, _SECONDS)


def _made(calls: int, run: int, seen: Window) -> Cost:
    return Cost(calls, run, seen.polls, seen.per_second, seen.cpu_us, seen.redis_us)
