"""How many deliveries a deliver worker makes in a second of its CPU, beside bare loops that POST the same.

The real worker process at saturation: the ledger is filled through the stores, before the worker starts, with
subscriptions that have five events each to deliver, so that whatever it claims is full. The peers are processes that
POST a prepared delivery to the same receiver over as many connections (bare_posts.py): one with the worker's own
client, against which the aim is set, and one with a plain aiohttp session. They take turns, so that a machine that
changes its pace is fair to all. The receiver answers at once, and is a process of its own.

The worker sends once to one receiver, as of one large customer, and once to ten (ten stubs on ports of their own): how
many claims may wait for one destination is bounded, and what is claimed beyond that is put off.

CPU-seconds are the worker's alone; what Redis takes for it is told beside them.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import click

from app.store.subscriptions import NewSubscription
from tests.bench.filling import advance, follow, subscription
from tests.bench.stub_process import RunningStub, stub
from tests.bench.system import System, received, system
from tests.builders import LIFE
from tests.processes import Process, environment

_RUNS = 3
_CALLS = 14_000
_RECEIVERS = 10
_CONNECTIONS = 100
_WARM = 3000
_COUNT = 8000
_PATIENCE_SECONDS = 120.0
_WORKERS = {1: "worker, one receiver", _RECEIVERS: "worker, ten receivers"}
_OWN, _AIOHTTP = "bare loop, same client", "bare loop, aiohttp"
_AIM = 0.7


@dataclass(frozen=True, slots=True)
class Rate:
    """How long so many deliveries took, in seconds, and of the CPU for who sent them and for Redis."""

    case: str
    deliveries: int
    seconds: float
    cpu_seconds: float
    redis_cpu_seconds: float = 0.0

    @property
    def per_cpu_second(self) -> float:
        return self.deliveries / self.cpu_seconds


def report() -> list[dict[str, Any]]:
    """Measure, print the table, and return the rows."""
    rates = [rate for receivers in _WORKERS for rate in asyncio.run(measure(receivers))]
    click.echo(f"Deliveries, {_CONNECTIONS} connections to a receiver; median of {_RUNS} runs")
    click.echo(f"{'':<24} {'per CPU-second':>15} {'per second':>11} {'Redis ms/1000':>14}   spread per CPU-second")
    for case in (*_WORKERS.values(), _OWN, _AIOHTTP):
        runs = [one for one in rates if one.case == case]
        low, high = (choose(one.per_cpu_second for one in runs) for choose in (min, max))
        per_second = statistics.median(one.deliveries / one.seconds for one in runs)
        redis = statistics.median(one.redis_cpu_seconds / one.deliveries * 1e6 for one in runs)
        click.echo(
            f"{case:<24} {_median(rates, case):>15,.0f} {per_second:>11,.0f} {redis:>14,.0f}   {low:,.0f}..{high:,.0f}"
        )
    for case, (peer, aim) in product(_WORKERS.values(), ((_OWN, f" (aim: {_AIM:.0%})"), (_AIOHTTP, ""))):
        click.echo(f"{case} to {peer}, per CPU-second: {_median(rates, case) / _median(rates, peer):.0%}{aim}")
    return [asdict(one) | {"per_cpu_second": one.per_cpu_second} for one in rates]


def _median(rates: list[Rate], case: str) -> float:
    return statistics.median(one.per_cpu_second for one in rates if one.case == case)


async def measure(receivers: int) -> list[Rate]:
    """Let all take turns, several times."""
    rates = []
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(system({"delivery_max_per_destination": _CONNECTIONS}))
        folders = [running.folder / str(number) for number in range(1, receivers)]
        stubs = [running.stub, *[await stack.enter_async_context(stub(folder)) for folder in folders]]
        for one in stubs:
            await one.set(latency_seconds=0, remember=False)
        await follow(running.resources, _CALLS, _new(running, stubs))
        await advance(running.resources, LIFE)
        for _ in range(_RUNS):
            rates.append(await _bare(running, _OWN, "own"))
            rates.append(await _bare(running, _AIOHTTP, "aiohttp"))
            rates.append(await _worker(running, stubs))
    return rates


def _new(running: System, stubs: Sequence[RunningStub]) -> Callable[[int], NewSubscription]:
    def new(number: int) -> NewSubscription:
        url = f"{stubs[number % len(stubs)].url}/integrations/calls/{number:08}"
        return subscription(running.tenant_id, f"OUT-{number:08}", url, {"deal": f"{number:06}"})

    return new


async def _bare(running: System, case: str, client: str) -> Rate:
    arguments = [client, f"{running.stub.url}/integrations/calls/bare", str(_CONNECTIONS), str(_WARM), str(_COUNT)]
    process = Process(["-m", "tests.bench.bare_posts", *arguments], environment(), running.folder / "bare.log")
    process.start()
    try:
        code = await process.ended(_PATIENCE_SECONDS)
    finally:
        process.kill()
    if code:
        raise RuntimeError(process.output)
    took = json.loads(process.output)
    return Rate(case, _COUNT, took["seconds"], took["cpu_seconds"])


async def _worker(running: System, stubs: Sequence[RunningStub]) -> Rate:
    before = await received(stubs, 0, _PATIENCE_SECONDS)
    await running.start_worker("deliver")
    first = await received(stubs, before + _WARM, _PATIENCE_SECONDS)
    cpu, start = running.cpu(), time.perf_counter()
    last = await received(stubs, first + _COUNT, _PATIENCE_SECONDS)
    seconds, after = time.perf_counter() - start, running.cpu()
    await running.stop("deliver")
    return Rate(
        _WORKERS[len(stubs)], last - first, seconds, after["deliver"] - cpu["deliver"], after["redis"] - cpu["redis"]
    )
