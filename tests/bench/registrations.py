"""How fast subscriptions are registered, one at a time and in batches, and how much of that FastAPI itself allows.

The real API as a process of its own, on a real Redis with its append-only file. The peer is a FastAPI endpoint that
validates the same body, writes once to Redis and does nothing else (bare.py). Both take turns, so that a machine
that changes its pace is fair to both. Registrations per CPU-second of the API's process are what can be compared
between machines: on few cores the client, Redis and the API take time from each other.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import uvloop

from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.resources import open_resources
from app.settings import load_settings
from tests.bench.cpu import cpu_seconds
from tests.bench.load import request, send_all
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.processes import Process, environment, until_ready

_RUNS = 3
_SECONDS = 4.0
_CONNECTIONS = 32
_BATCH_CONNECTIONS = 4
_PATH = "/v1/subscriptions"
# The application, the path, items per request.
_CASES = {
    "bare": ("tests.bench.bare:app", _PATH, 1),
    "single": ("app.main:app", _PATH, 1),
    "batch of 100": ("app.main:app", f"{_PATH}/batch", 100),
    "batch of 1,000": ("app.main:app", f"{_PATH}/batch", 1000),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Registrations per second of the clock, and per second of the CPU that the API's process took."""

    case: str
    registrations: int
    per_second: float
    per_cpu_second: float


def measure() -> list[Rate]:
    """Measure all cases in turn, several times."""
    return uvloop.run(_measure())


def show(rates: list[Rate]) -> None:
    """Print the medians and the ratios."""
    click.echo(f"Registrations, {_CONNECTIONS} connections ({_BATCH_CONNECTIONS} for batches); median of {_RUNS} runs")
    click.echo(f"{'':<16} {'per second':>11} {'per CPU-second':>15}   spread per CPU-second")
    medians = {}
    for case in _CASES:
        runs = [one for one in rates if one.case == case]
        per_second = statistics.median(one.per_second for one in runs)
        medians[case] = statistics.median(one.per_cpu_second for one in runs)
        low, high = (choose(one.per_cpu_second for one in runs) for choose in (min, max))
        click.echo(f"{case:<16} {per_second:>11,.0f} {medians[case]:>15,.0f}   {low:,.0f}..{high:,.0f}")
    click.echo(f"single to bare, per CPU-second: {medians['single'] / medians['bare']:.0%} (aim: 60 %)")
    for case in list(_CASES)[2:]:
        click.echo(f"{case} to single, per CPU-second: {medians[case] / medians['single']:.1f} x (aim: 10 x)")


def report() -> list[dict[str, Any]]:
    """Measure, print the table, and return the rows."""
    rates = measure()
    show(rates)
    return [asdict(one) for one in rates]


async def installation(stack: AsyncExitStack) -> tuple[dict[str, str], str, Path]:
    """Begin an installation on a Redis of its own; returns its settings, a tenant's API key, and a folder."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
    settings = {
        "redis_url": redis.url,
        "upstream_base_url": "http://127.0.0.1:9",
        "admin_key": ADMIN_KEY,
        "encryption_keys": ENCRYPTION_KEY,
    }
    async with open_resources(load_settings("tools", **settings)) as resources:
        await resources.ledger.ping()
        new = await resources.service.tenants.create("bench", "account", "project", "connector")
    return settings, new.api_key, folder


async def _measure() -> list[Rate]:
    async with AsyncExitStack() as stack:
        settings, key, folder = await installation(stack)
        rates = []
        for _ in range(_RUNS):
            for case, (application, path, items) in _CASES.items():
                async with serving(application, settings, folder) as (url, pid):
                    rates.append(await _rate(case, url, pid, _requests(path, key, items), items))
        return rates


@asynccontextmanager
async def serving(application: str, settings: dict[str, str], folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Serve as `ringback api` does; yields the base URL and the process."""
    port = free_port()
    arguments = ["-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port)]
    process = Process(
        [*arguments, "--no-access-log", "--no-server-header"], environment(**settings), folder / "api.log"
    )
    process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        await until_ready(process, f"{url}/readyz")
        yield url, process.pid
        await process.terminate()
    finally:
        process.kill()


async def _rate(case: str, url: str, pid: int, requests: Iterator[bytes], items: int) -> Rate:
    registered = 0

    def answered(answer: bytes) -> None:
        nonlocal registered
        # What was there already would be quicker: nothing is sent twice.
        new = answer.count(b'"status":201') if items > 1 else answer.startswith(b"HTTP/1.1 201")
        if new != items:
            raise AssertionError(f"{case}: {answer.decode(errors='replace')[:500]}")
        registered += items

    await send_all(url, 1, _first(requests, 0.5), answered)
    registered, cpu, start = 0, cpu_seconds(pid), time.perf_counter()
    await send_all(url, _CONNECTIONS if items == 1 else _BATCH_CONNECTIONS, _first(requests, _SECONDS), answered)
    return Rate(
        case,
        registered,
        registered / (time.perf_counter() - start),
        registered / (cpu_seconds(pid) - cpu),
    )


def _first(requests: Iterator[bytes], seconds: float) -> Any:
    """Return what yields requests until the time is up."""
    end = time.perf_counter() + seconds
    return lambda: next(requests) if time.perf_counter() < end else None


def _requests(path: str, key: str, items: int) -> Iterator[bytes]:
    """Write requests that all register something new, alike in length."""
    headers = {"authorization": f"Bearer {key}"}
    run = os.urandom(8).hex()
    number = 0
    while True:
        bodies = [_item(f"OUT-{run}-{number + one:012}") for one in range(items)]
        number += items
        yield request(path, headers, bodies[0] if items == 1 else b'{"items":[' + b",".join(bodies) + b"]}")


def _item(call_sid: str) -> bytes:
    return json.dumps(
        {
            "call_sid": call_sid,
            "callback_url": "https://crm.example.com/hooks/calls",
            "events": ["final"],
            "metadata": {"deal": "4711", "campaign": "spring"},
        }
    ).encode()
