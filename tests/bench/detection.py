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
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.stack import Stack, running
from tests.servers import serve

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
