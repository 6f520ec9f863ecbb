"""How late events are under load: from the true transition upstream to the arrival at the receiver.

Everything runs: API, poll worker, deliver worker, Redis, and the stub as upstream and receiver. Calls come, live for
about a minute and end, registered over the API; as many are alive at any time as make half of the polls per second at
which this machine is full, or four fifths (saturation.py, measured in the same run). Each is polled at the vendor's
shortest pace.

Three figures, each for events of calls that had been polled before:

* excess over half the interval, as the aim names it: arrival - transition - interval / 2. A poller that is perfect
  waits for anything between nothing and an interval, so this is +-0.49 intervals at its 1st and 99th percentile,
  however fast Ringback is: the median tells something, the 99th percentile says little more than the interval.
* excess: arrival less the moment at which a perfect poller would have asked. That is one interval behind the poll
  before the transition, whose time the stub knows, or the transition itself where that poll was later than it should
  have been. The wait that is subtracted is half an interval on average, as above, but it is each event's own; so what
  remains has only Ringback's lateness in it (and the stub's latency, which is not subtracted), also in its tail.
* reaction: arrival less the first poll that could see the transition.
"""

import asyncio
import bisect
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from tests.bench.saturation import Saturation, rates, saturate
from tests.bench.system import PACES, System, system
from tests.bench.traffic import Traffic, transitions

_INTERVAL = 2.0
_LATENCY_SECONDS = 0.01
_LIFE_SECONDS = 60.0
_SHARES = (0.5, 0.8)
_WINDOWS = 3
_WINDOW_SECONDS = 10.0
_FILL_SECONDS = 12.0
_SETTLE_SECONDS = 6.0
# What has not arrived so long after the last window is missing.
_PATIENCE_SECONDS = 8.0
_AIMS_MS = {0.5: (30, 150), 0.8: (None, 400)}


@dataclass(frozen=True, slots=True)
class Lateness:
    """Percentiles of one window, in seconds; `share` is that of the polls per second at saturation."""

    share: float
    due_per_second: float
    polls_per_second: float
    events: int
    missing: int
    over_half_p50: float
    over_half_p99: float
    excess_p50: float
    excess_p99: float
    reaction_p50: float
    reaction_p99: float
    cores: dict[str, float]


def report() -> list[dict[str, Any]]:
    """Measure, print, and return the rows; the first one is the saturation."""
    full = asyncio.run(saturate(_INTERVAL, _LATENCY_SECONDS))
    click.echo(f"Lateness of events under load, ms; medians of {_WINDOWS} windows of {_WINDOW_SECONDS:g} s")
    click.echo(
        f"full at {full.polls_per_second:,.0f} polls/s on {os.cpu_count()} cores; of a core took {_cores(full.cores)}"
    )
    click.echo(f"{'load':>5} {'polls/s':>8} {'events':>7} {'missing':>8} {'over half p50':>14} {'p99':>6}", nl=False)
    click.echo(f" {'excess p50':>11} {'p99':>6} {'reaction p50':>13} {'p99':>6}   spread of excess p99, aims")
    rows = []
    for share in _SHARES:
        runs = asyncio.run(measure(share, full))
        _print(share, runs)
        rows += runs
    return [asdict(full), *(asdict(row) for row in rows)]


async def measure(share: float, full: Saturation) -> list[Lateness]:
    """Measure at a share of saturation."""
    live = round(share * full.polls_per_second * _INTERVAL)
    async with system(dict.fromkeys(PACES, _INTERVAL), "tests.bench.poll_log") as running:
        await running.stub.set(latency_seconds=_LATENCY_SECONDS)
        await running.start_api()
        for kind in ("poll", "deliver"):
            await running.start_worker(kind)
        traffic = Traffic(running, live, _LIFE_SECONDS)
        await traffic.fill(_FILL_SECONDS)
        async with asyncio.TaskGroup() as group:
            flow = group.create_task(traffic.flow())
            await asyncio.sleep(_SETTLE_SECONDS)
            windows = [(time.time(), await rates(running, _WINDOW_SECONDS)) for _ in range(_WINDOWS)]
            await asyncio.sleep(_PATIENCE_SECONDS)
            flow.cancel()
        facts = await _Facts.gathered(running, traffic)
    return [facts.lateness(share, live / _INTERVAL, start, *measured) for start, measured in windows]


class _Facts:
    """What is known at the end of each call's polls and arrivals."""

    def __init__(self, registered: dict[str, float]) -> None:
        self._registered = registered
        self._arrivals: dict[tuple[str, int], float] = {}
        self._polls: defaultdict[str, list[float]] = defaultdict(list)

    @classmethod
    async def gathered(cls, running: System, traffic: Traffic) -> "_Facts":
        facts = cls(traffic.registered)
        for arrival in await running.stub.arrivals():
            facts._arrivals.setdefault((arrival.call_sid, arrival.sequence), arrival.at)
        for line in (await running.stub.fetch("polls")).splitlines():
            at, sid = line.split(" ")
            facts._polls[sid].append(float(at))
        return facts

    def lateness(
        self, share: float, due: float, start: float, polls_per_second: float, cores: dict[str, float]
    ) -> Lateness:
        """Evaluate what happened in a window that began at `start`."""
        over_half, excess, reactions, missing = [], [], [], 0
        for sid, sequence, happened in self._happened(start, start + _WINDOW_SECONDS):
            arrival, polls = self._arrivals.get((sid, sequence)), self._polls[sid]
            behind = bisect.bisect_left(polls, happened)
            if arrival is None or behind == len(polls):
                missing += 1
                continue
            over_half.append(arrival - happened - _INTERVAL / 2)
            excess.append(arrival - max(happened, polls[behind - 1] + _INTERVAL))
            reactions.append(arrival - polls[behind])
        return Lateness(
            share,
            due,
            polls_per_second,
            len(excess),
            missing,
            _percentile(over_half, 50),
            _percentile(over_half, 99),
            _percentile(excess, 50),
            _percentile(excess, 99),
            _percentile(reactions, 50),
            _percentile(reactions, 99),
            cores,
        )

    def _happened(self, start: float, end: float) -> Iterator[tuple[str, int, float]]:
        """Yield the transitions of a window, of calls that had been polled by then."""
        for sid in self._registered:
            for sequence, at in transitions(sid):
                if start <= at < end and self._polls[sid] and self._polls[sid][0] < at:
                    yield sid, sequence, at


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _print(share: float, runs: list[Lateness]) -> None:
    def ms(name: str) -> str:
        return f"{statistics.median(getattr(run, name) for run in runs) * 1000:,.0f}"

    low, high = (choose(run.excess_p99 for run in runs) * 1000 for choose in (min, max))
    aims = ", ".join(f"p{at} < {aim}" for at, aim in zip((50, 99), _AIMS_MS[share], strict=True) if aim)
    polls = statistics.median(run.polls_per_second for run in runs)
    events, missing = sum(run.events for run in runs), sum(run.missing for run in runs)
    click.echo(
        f"{share:>5.0%} {polls:>8,.0f} {events:>7,} {missing:>8,} {ms('over_half_p50'):>14} {ms('over_half_p99'):>6}"
        f" {ms('excess_p50'):>11} {ms('excess_p99'):>6} {ms('reaction_p50'):>13} {ms('reaction_p99'):>6}"
        f"   {low:,.0f}..{high:,.0f}, {aims}"
    )
    click.echo(f"      of a core took {_cores(runs[-1].cores)}")


def _cores(cores: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in sorted(cores.items(), key=lambda one: -one[1]))
