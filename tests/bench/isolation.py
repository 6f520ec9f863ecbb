"""What healthy receivers notice of bad ones: how late deliveries arrive, with and without bad neighbours.

Fifty healthy receivers on ports of their own follow calls. In the runs with bad neighbours every call is also
subscribed to at a receiver that never answers and at one that refuses connections, so that these two together are
sent twice as much as the fifty. Lateness runs from when Ringback saw an event to when its receiver has it.
"""

import asyncio
import json
import random
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import click
import httpx

from app.dev.embedded_redis import free_port
from tests.bench.receivers import ACCEPTED, RawReceiver, listening
from tests.bench.stack import Stack, running

_HEALTHY = 50
_CALLS = 200
_SPREAD_SECONDS = 10.0
_LIFE_SECONDS = 30.0
_PATIENCE_SECONDS = 120.0
_RUNS = 3
_PACE = dict.fromkeys(
    ("POLL_EARLY_SECONDS", "POLL_EARLY_MAX_SECONDS", "POLL_IN_PROGRESS_SECONDS", "POLL_IN_PROGRESS_MAX_SECONDS"), "1"
)


@dataclass(frozen=True, slots=True)
class Isolation:
    """Lateness in seconds at the healthy receivers."""

    bad_neighbours: bool
    deliveries: int
    p50: float
    p95: float
    p99: float


async def measure(seed: int, *, bad_neighbours: bool) -> Isolation:
    """Follow calls through lives of half a minute."""
    lateness: list[float] = []
    all_arrived = asyncio.Event()

    def arrived(body: bytes) -> bytes:
        data = json.loads(body)["data"]
        lateness.append(time.time() - datetime.fromisoformat(data["observed_at"]).timestamp())
        if len(lateness) == _CALLS * 5:
            all_arrived.set()
        return ACCEPTED

    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(_PACE))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        healthy = [await stack.enter_async_context(listening(lambda: RawReceiver(arrived))) for _ in range(_HEALTHY)]
        bad = []
        if bad_neighbours:
            bad = [await stack.enter_async_context(listening(asyncio.Protocol)), f"http://127.0.0.1:{free_port()}"]
        await _follow_calls(service, client, healthy, bad, seed)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await all_arrived.wait()
    marks = statistics.quantiles(lateness, n=100, method="inclusive")
    return Isolation(bad_neighbours, len(lateness), marks[49], marks[94], marks[98])


def report() -> list[dict[str, Any]]:
    """Run with and without bad neighbours in turn, so that a machine that changes its pace is fair to both."""
    rows = [asyncio.run(measure(seed, bad_neighbours=bad)) for seed in range(_RUNS) for bad in (False, True)]
    click.echo(f"Lateness at {_HEALTHY} healthy receivers, ms; median of {_RUNS} runs (spread of p95)")
    for bad in (False, True):
        runs = [row for row in rows if row.bad_neighbours is bad]
        p50, p95, p99 = (statistics.median(getattr(run, name) for run in runs) * 1000 for name in ("p50", "p95", "p99"))
        low, high = (choose(run.p95 for run in runs) * 1000 for choose in (min, max))
        name = "beside one that hangs, one that refuses" if bad else "alone"
        click.echo(f"  {name:<42} p50 {p50:5.0f}  p95 {p95:5.0f}  p99 {p99:5.0f}   ({low:.0f}..{high:.0f})")
    return [asdict(row) for row in rows]


async def _follow_calls(
    service: Stack, client: httpx.AsyncClient, healthy: list[str], bad: list[str], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 -- a repeatable load
    for number in range(_CALLS):
        offsets = sorted(chance.uniform(1, _LIFE_SECONDS) for _ in range(4))
        life = list(zip([0.0, *offsets], ["CREATED", "queued", "ringing", "in-progress", "completed"], strict=True))
        sid = await service.place(client, life)
        for base in (healthy[number % _HEALTHY], *bad):
            await service.subscribe(sid, f"{base}/{sid}")
        await asyncio.sleep(chance.uniform(0, 2 * _SPREAD_SECONDS / _CALLS))
