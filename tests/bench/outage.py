"""A receiver that is down for a while and back: how soon everything has arrived, and whether in order.

The retry schedule is the default one, so that the figures are those of production.
"""

import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import click
import httpx

from tests.bench.receivers import ACCEPTED, UNAVAILABLE, RawReceiver, listening
from tests.bench.stack import running

_CALLS = 100
_LIFE_SECONDS = 15.0
_RUNS = 3
_PATIENCE_SECONDS = 120.0
_PACE = {"POLL_EARLY_SECONDS": "1", "POLL_IN_PROGRESS_SECONDS": "1"}


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds: how long it lasted, from its end to the first delivery (the probe), and from there to the last."""

    lasted: float
    deliveries: int
    out_of_order: int
    refused: int
    until_probe: float
    until_all: float


class _Receiver:
    """Accepts what it is sent, but for a while."""

    def __init__(self, wanted: int) -> None:
        self.up = True
        self.refused = 0
        self.sequences: defaultdict[str, list[int]] = defaultdict(list)
        self.arrived_at: list[float] = []
        self.complete = asyncio.Event()
        self._wanted = wanted

    def answer(self, body: bytes) -> bytes:
        if not self.up:
            self.refused += 1
            return UNAVAILABLE
        data = json.loads(body)["data"]
        self.sequences[data["subscription_id"]].append(data["sequence"])
        self.arrived_at.append(time.monotonic())
        if sum(len(set(one)) for one in self.sequences.values()) == self._wanted:
            self.complete.set()
        return ACCEPTED


async def measure(lasts: float, seed: int) -> Outage:
    """Follow calls whose lives fall into an outage of so many seconds."""
    chance = random.Random(seed)  # noqa: S311 -- a repeatable load
    receiver = _Receiver(_CALLS * 5)
    async with (
        running(_PACE) as service,
        httpx.AsyncClient(timeout=30) as client,
        listening(lambda: RawReceiver(receiver.answer)) as url,
    ):
        receiver.up = False
        for _ in range(_CALLS):
            offsets = sorted(chance.uniform(0.5, _LIFE_SECONDS) for _ in range(4))
            steps = ["CREATED", "queued", "ringing", "in-progress", "completed"]
            sid = await service.place(client, list(zip([0.0, *offsets], steps, strict=True)))
            await service.subscribe(sid, f"{url}/{sid}")
        await asyncio.sleep(lasts)
        receiver.up = True
        back_at = time.monotonic()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await receiver.complete.wait()
    first, last = receiver.arrived_at[0], receiver.arrived_at[-1]
    out_of_order = sum(one != sorted(one) for one in receiver.sequences.values())
    return Outage(lasts, len(receiver.arrived_at), out_of_order, receiver.refused, first - back_at, last - first)


def report() -> list[dict[str, Any]]:
    """Measure outages of different lengths."""
    rows = [asyncio.run(measure(lasts, seed)) for lasts in (5.0, 20.0) for seed in range(_RUNS)]
    click.echo(f"A receiver down and back, {_CALLS} calls; medians of {_RUNS} runs")
    for lasts in sorted({row.lasted for row in rows}):
        runs = [row for row in rows if row.lasted == lasts]
        probe, rest = (statistics.median(getattr(run, name) for run in runs) for name in ("until_probe", "until_all"))
        click.echo(
            f"  down {lasts:4.0f} s: probe {probe:5.1f} s after it is back, everything {rest:5.2f} s later;"
            f" out of order {sum(run.out_of_order for run in runs)},"
            f" refused requests {statistics.median(run.refused for run in runs):.0f}"
        )
    return [asdict(row) for row in rows]
