"""How late an event is: from the true transition upstream to the arrival at the receiver.

A poll finds a transition half an interval late on average, whoever polls; that much is the upstream's price and
is subtracted. What remains is ours: scheduling, the poll, the commit, the doorbell, the POST. Because the wait
for the poll varies between nothing and a whole interval, the p99 of the remainder is dominated by that
variation (0.49 intervals); so the time from the poll that first could see the transition, which is free of it,
is told as well.
"""

import asyncio
import random
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import click
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.stack import Stack, running
from tests.servers import serve

_RUNS = 3
_CALLS = 200
# The vendor's shortest pace; and one at which the wait for the poll hides little of the rest.
_INTERVALS = (2.0, 0.4)
_SPREAD_SECONDS = 4.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds; `excess` is over half the interval, `reaction` counts from the poll that could see the event."""

    calls: int
    interval: float
    transitions: int
    missing: int
    excess_p50: float
    excess_p99: float
    excess_mean: float
    reaction_p50: float
    reaction_p99: float


async def measure(calls: int, interval: float, seed: int) -> Detection:
    """Follow so many calls at once, all polled every `interval` seconds, through lives of half a minute."""
    pace = dict.fromkeys(
        ("POLL_EARLY_SECONDS", "POLL_EARLY_MAX_SECONDS", "POLL_IN_PROGRESS_SECONDS", "POLL_IN_PROGRESS_MAX_SECONDS"),
        str(interval),
    )
    arrivals: dict[tuple[str, str], float] = {}
    expected = asyncio.Event()
    wanted = calls * 5

    async def receive(request: Request) -> Response:
        now = time.time()
        data = (await request.json())["data"]
        arrivals.setdefault((data["call_sid"], data["status"]), now)
        if len(arrivals) == wanted:
            expected.set()
        return Response(status_code=204)

    receiver = Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])])
    async with running(pace) as stack, serve(receiver) as receiver_url, httpx.AsyncClient(timeout=30) as client:
        registered = await _place_calls(stack, client, receiver_url, calls, seed)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await expected.wait()
        truth = await stack.truth(client)
    return _evaluate(calls, interval, truth, registered, arrivals)


def report() -> list[dict[str, Any]]:
    """Measure several times, print the medians, and return the rows."""
    rows = [asyncio.run(measure(_CALLS, interval, seed)) for interval in _INTERVALS for seed in range(_RUNS)]
    click.echo(
        f"Lateness of events at {_CALLS} live calls, one poll and one deliver worker, ms; median of {_RUNS} runs"
    )
    click.echo("  excess: arrival - true transition - half the interval; reaction: from the poll that could see it")
    click.echo(f"{'interval':>9} {'events':>7} {'missing':>8} {'excess p50':>11} {'p99':>7} {'mean':>7}", nl=False)
    click.echo(f" {'reaction p50':>13} {'p99':>7}   spread of excess p50")
    for interval in _INTERVALS:
        _print([row for row in rows if row.interval == interval])
    return [asdict(row) for row in rows]


def _print(runs: list[Detection]) -> None:
    def ms(name: str) -> str:
        return f"{statistics.median(getattr(run, name) for run in runs) * 1000:.0f}"

    low, high = (f(run.excess_p50 for run in runs) * 1000 for f in (min, max))
    events, missing = sum(run.transitions for run in runs), sum(run.missing for run in runs)
    click.echo(
        f"{runs[0].interval:>8}s {events:>7} {missing:>8} {ms('excess_p50'):>11} {ms('excess_p99'):>7}"
        f" {ms('excess_mean'):>7} {ms('reaction_p50'):>13} {ms('reaction_p99'):>7}   {low:.0f}..{high:.0f}",
    )


async def _place_calls(
    stack: Stack, client: httpx.AsyncClient, receiver_url: str, calls: int, seed: int
) -> dict[str, float]:
    """Place the calls spread over some seconds, so that their polls are spread over the interval."""
    chance = random.Random(seed)  # noqa: S311 -- a repeatable load
    registered = {}
    for _ in range(calls):
        offsets = sorted(chance.uniform(2, 30) for _ in range(4))
        life = list(zip([0.0, *offsets], ["CREATED", "queued", "ringing", "in-progress", "completed"], strict=True))
        sid = await stack.place(client, life)
        await stack.subscribe(sid, f"{receiver_url}/{sid}")
        registered[sid] = time.time()
        await asyncio.sleep(chance.uniform(0, 2 * _SPREAD_SECONDS / calls))
    return registered


def _evaluate(
    calls: int,
    interval: float,
    truth: list[dict[str, Any]],
    registered: dict[str, float],
    arrivals: dict[tuple[str, str], float],
) -> Detection:
    delays, reactions, missing = [], [], 0
    for call in truth:
        sid = call["call_sid"]
        for step in call["history"]:
            if step["at"] < registered[sid] + 1:
                continue
            arrival = arrivals.get((sid, step["status"]))
            if arrival is None:
                missing += 1
                continue
            delays.append(arrival - step["at"])
            first_poll = min(poll["at"] for poll in call["polls"] if poll["at"] >= step["at"])
            reactions.append(arrival - first_poll)
    excess = [delay - interval / 2 for delay in delays]
    return Detection(
        calls,
        interval,
        len(delays),
        missing,
        _percentile(excess, 50),
        _percentile(excess, 99),
        statistics.mean(excess),
        _percentile(reactions, 50),
        _percentile(reactions, 99),
    )


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
