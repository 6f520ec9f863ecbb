"""Everything running for half an hour at half of saturation, to see whether anything grows.

`python -m tests.bench soak [--minutes 30] [--polls-per-second N]`. The load is that of latency.py: calls come, live for
about a minute and end, so that tens of thousands have come and gone; without `--polls-per-second` saturation is found
first, and half of it taken. What has ended is kept for 90 seconds, and no call is followed for longer than two minutes,
so that nothing of a call is left 210 seconds after its registration, and the number of keys stands from then on.

Every ten seconds: the resident memory of each process, the keys in Redis and what they take, the events that are
missing, and how late the others were, over half the interval. The first five minutes are for caches, pools and the
ledger to become as full as they will be. What lies behind is fitted with a straight line, which may rise by 5 % over
that time, or by 4 MiB where that is more: a heap that is used breathes by as much. The run fails where it rises
further, and where an event is missing. A run of less than ten minutes is a trial: it is not judged by its growth.
"""

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import getpagesize
from typing import Any

import click

from tests.bench.saturation import saturate
from tests.bench.system import PACES, System, system
from tests.bench.traffic import Traffic, transitions

_INTERVAL = 2.0
_LATENCY_SECONDS = 0.1
_LIFE_SECONDS = 60.0
_SHARE = 0.5
_FILL_SECONDS = 15.0
_SETTINGS = {**dict.fromkeys(PACES, _INTERVAL), "retention_seconds": 90, "watch_max_seconds": 120}
_SAMPLE_SECONDS = 10.0
_WARM_SECONDS = 300.0
# What has not arrived so long after its call's end is missing.
_PATIENCE_SECONDS = 15.0
_ALLOWED_SHARE = 0.05
_ALLOWED_MIB = 4.0
_JUDGED = ("api", "poll", "deliver", "redis", "keys", "used memory")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What was there so many seconds after the load had begun; memory in MiB, lateness in seconds.

    `sizes` are the resident memory of each process, `keys` and `used memory` those of Redis. `events` and `missing`
    are of the calls that ended since the last sample.
    """

    seconds: float
    sizes: dict[str, float]
    polls_per_second: float
    events: int
    missing: int
    late_p50: float
    late_p99: float


def report(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run, print the table, and return the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--polls-per-second", type=float)
    asked = parser.parse_args(arguments)
    polls = asked.polls_per_second
    if polls is None:
        polls = _SHARE * asyncio.run(saturate(_INTERVAL, _LATENCY_SECONDS)).polls_per_second
    click.echo(f"Soak of {asked.minutes:g} minutes at {polls:,.0f} polls/s")
    samples = asyncio.run(measure(polls, asked.minutes * 60))
    late = (statistics.median(getattr(one, name) * 1000 for one in samples) for name in ("late_p50", "late_p99"))
    events, missing = sum(one.events for one in samples), sum(one.missing for one in samples)
    click.echo(
        "{:,} events, {:,} missing; over half the interval p50 {:,.0f} ms, p99 {:,.0f} ms".format(
            events, missing, *late
        )
    )
    _table(samples)
    return [asdict(one) for one in samples]


def check(rows: Sequence[dict[str, Any]]) -> None:
    """Fail when anything has grown, or an event is missing."""
    samples = [Sample(**row) for row in rows]
    grown = [name for name in _JUDGED if _grows(samples, name)]
    if samples[-1].seconds < 2 * _WARM_SECONDS:
        click.echo("too short to tell what grows")
    elif grown:
        raise SystemExit(f"it grows: {', '.join(grown)}")
    if missing := sum(one.missing for one in samples):
        raise SystemExit(f"{missing} events are missing")


def _table(samples: Sequence[Sample]) -> None:
    warm = _warm(samples)
    click.echo(f"{'':<12} {f'at {warm[0].seconds / 60:.1f} min':>12} {'at the end':>12} {'per hour':>10}   allowed")
    for name in samples[0].sizes:
        slope = statistics.linear_regression(*_series(warm, name)).slope * 3600
        allowed = f"{_allowed(warm, name) / (warm[-1].seconds - warm[0].seconds) * 3600:+,.1f}" * (name in _JUDGED)
        click.echo(
            f"{name:<12} {warm[0].sizes[name]:>12,.1f} {warm[-1].sizes[name]:>12,.1f} {slope:>+10,.1f}   {allowed}"
        )


def _grows(samples: Sequence[Sample], name: str) -> bool:
    warm = _warm(samples)
    slope = statistics.linear_regression(*_series(warm, name)).slope
    return slope * (warm[-1].seconds - warm[0].seconds) > _allowed(warm, name)


def _allowed(warm: Sequence[Sample], name: str) -> float:
    share = _ALLOWED_SHARE * warm[0].sizes[name]
    return share if name == "keys" else max(share, _ALLOWED_MIB)


def _series(samples: Sequence[Sample], name: str) -> tuple[list[float], list[float]]:
    return [one.seconds for one in samples], [one.sizes[name] for one in samples]


def _warm(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples after the first five minutes, or of the second half of a run that is a trial."""
    since = min(_WARM_SECONDS, samples[-1].seconds / 2)
    return [one for one in samples if one.seconds >= since]


async def measure(polls_per_second: float, seconds: float) -> list[Sample]:
    """Run for so long at a pace, and look now and then."""
    async with system(_SETTINGS) as running:
        await running.stub.set(latency_seconds=_LATENCY_SECONDS)
        await running.start_api()
        for kind in ("poll", "deliver"):
            await running.start_worker(kind)
        traffic = Traffic(running, round(polls_per_second * _INTERVAL), _LIFE_SECONDS)
        begun = time.monotonic()
        await traffic.fill(_FILL_SECONDS)
        async with asyncio.TaskGroup() as group:
            flow = group.create_task(traffic.flow())
            samples = await _look(running, _Truth(traffic), begun, begun + seconds)
            flow.cancel()
        return samples


async def _look(running: System, truth: "_Truth", begun: float, ends: float) -> list[Sample]:
    samples: list[Sample] = []
    gets, looked = (await running.stub.counters()).gets, time.monotonic()
    while looked < ends:
        await asyncio.sleep(looked + _SAMPLE_SECONDS - time.monotonic())
        sizes, (events, missing, late) = await _sizes(running), truth.judge(await running.stub.arrivals())
        marks = statistics.quantiles(late, n=100, method="inclusive") if len(late) > 1 else [0.0] * 99
        before, gets = gets, (await running.stub.counters()).gets
        since, looked = looked, time.monotonic()
        polls = (gets - before) / (looked - since)
        samples.append(Sample(looked - begun, sizes, polls, events, missing, marks[49], marks[98]))
        if len(samples) % 6 == 0:
            told = ", ".join(f"{name} {size:,.1f}" for name, size in sizes.items())
            click.echo(f"{(looked - begun) / 60:5.1f} min  {polls:,.0f} polls/s  {told}")
    return samples


async def _sizes(running: System) -> dict[str, float]:
    memory = await running.resources.ledger.redis.info("memory")
    return {
        **{name: _resident(pid) for name, pid in running.pids.items()},
        "keys": float(await running.resources.ledger.redis.dbsize()),
        "used memory": memory["used_memory"] / _MIB,
    }


def _resident(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * getpagesize() / _MIB


class _Truth:
    """What should have arrived of the calls that have ended, beside what has."""

    def __init__(self, traffic: Traffic) -> None:
        self._registered = traffic.registered
        self._arrived: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def judge(self, arrivals: Sequence[Any]) -> tuple[int, int, list[float]]:
        """Take what has arrived since the last time; returns events, missing ones, and how late the others were.

        They are those of the calls that have ended a while ago, which are then forgotten. Late is over half the
        interval, and only told of transitions that happened while the call was followed.
        """
        for arrival in arrivals:
            self._arrived[arrival.call_sid].setdefault(arrival.sequence, arrival.at)
        events, missing, late, now = 0, 0, [], time.time()
        for sid, registered in list(self._registered.items()):
            happened = transitions(sid)
            if happened[-1][1] > now - _PATIENCE_SECONDS:
                continue
            arrived = self._arrived.pop(sid, {})
            del self._registered[sid]
            events += len(happened)
            missing += len(happened) - len(arrived)
            followed = [one for one in happened if one[0] in arrived and one[1] > registered + _INTERVAL]
            late += [arrived[sequence] - at - _INTERVAL / 2 for sequence, at in followed]
        return events, missing, late
