"""Memory of a deliver worker whose receivers answer with bodies made to cost memory.

A real worker process delivers one event to each of thousands of subscriptions. Every receiver answers in one
hostile way after the other, with 200 or with 404, so that no circuit breaker opens for long. What counts is the
worker's resident memory from the 1,000th attempt, when caches and pools are as full as they will be, to the last.
"""

import asyncio
import gzip
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from app.dev.embedded_redis import EmbeddedRedis
from app.domain.subscription import EventFilter
from app.resources import Resources, open_resources
from app.settings import load_settings
from app.store.subscriptions import NewSubscription
from tests.builders import ACCOUNT, CONNECTOR, PROJECT, make_key
from tests.conftest import ENCRYPTION_KEY
from tests.outbound.receivers import Connection, Receiver, Script, floods, receiver, says_and_waits
from tests.processes import environment, start_worker, worker
from tests.store.polling import poll

_ATTEMPTS = 10_000
_WARM = 1_000
_EACH = 500
_RECEIVERS = 10
# As many as two processes on two cores can serve before an attempt's time is over.
_AT_ONCE = 60
_LIMIT_MIB = 20.0
_PATIENCE_SECONDS = 60.0
_SETTINGS = {
    "allow_private_callbacks": True,
    "allow_http_callbacks": True,
    "callback_ports": "*",
    "delivery_timeout_seconds": 2.0,
    # One attempt for each subscription.
    "delivery_retry_seconds": "3600",
    "upstream_base_url": "http://127.0.0.1:9",
    "worker_port": 0,
}
_BOMB = gzip.compress(bytes(50_000_000))
_HEADERS = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 8000) for number in range(120))


@dataclass(frozen=True, slots=True)
class Sample:
    """The worker after so many attempts; MiB."""

    attempts: int
    resident: float
    peak: float


def _hostile(head: bytes) -> list[Script]:
    return [
        floods(head + b"\r\n", b"z" * 65536),
        says_and_waits(head + b"content-encoding: gzip\r\n\r\n" + _BOMB),
        says_and_waits(head + b"content-length: 1000000\r\n\r\n" + b"z" * 1_000_000),
        says_and_waits(head + _HEADERS + b"content-length: 0\r\n\r\n"),
        floods(head + b"x: ", b"y", 0.1),
        floods(head + b"content-length: 100\r\n\r\n", b"z", 0.1),
        floods(head + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nz\r\n" * 10_000),
        floods(head + b"transfer-encoding: chunked\r\n\r\n1;", b"x" * 65536),
        floods(b"", b"HTTP/1.1 103 Hints\r\n\r\n" * 3_000),
        _cut_off(head),
    ]


def _cut_off(head: bytes) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(head + b"content-length: 99999\r\n\r\n" + b"z" * 900)
        connection.reset()

    return script


async def measure(attempts: int = _ATTEMPTS) -> list[Sample]:
    """Let a worker make so many attempts, and look at its memory now and then."""
    async with _running() as (resources, pid), _receivers() as receivers:
        tenant = (await resources.tenants.create("bench", ACCOUNT, PROJECT, CONNECTOR)).tenant.id
        urls = itertools.cycle(one.url for one in receivers)
        samples, subscribed = [Sample(0, *_memory(pid))], 0

        def made() -> int:
            return sum(len(one.requests) for one in receivers)

        while samples[-1].attempts < attempts:
            while subscribed < made() + _AT_ONCE and subscribed < attempts:
                await _subscribe(resources, tenant, f"{next(urls)}/{subscribed}")
                subscribed += 1
            await _reaches(made, subscribed if subscribed == attempts else subscribed - _AT_ONCE // 2)
            if made() >= min(samples[-1].attempts + _EACH, attempts):
                samples.append(Sample(made(), *_memory(pid)))
                click.echo(f"{samples[-1].attempts:>9} {samples[-1].resident:>9.1f} {samples[-1].peak:>7.1f}")
        return samples


def report() -> list[dict[str, Any]]:
    """Measure, print, and return the rows; fails when the memory is not flat."""
    click.echo("Memory of a deliver worker whose receivers answer with hostile bodies, MiB")
    click.echo(f"{'attempts':>9} {'resident':>9} {'peak':>7}")
    samples = asyncio.run(measure())
    warm = next(sample for sample in samples if sample.attempts >= _WARM)
    growth = max(sample.resident for sample in samples if sample.attempts >= _WARM) - warm.resident
    click.echo(f"most above that at the {warm.attempts:,}th attempt: {growth:.1f} (allowed: {_LIMIT_MIB:g})")
    if growth > _LIMIT_MIB:
        raise SystemExit("the worker's memory grows")
    return [asdict(sample) for sample in samples]


@asynccontextmanager
async def _running() -> AsyncIterator[tuple[Resources, int]]:
    """Start Redis and a deliver worker, and store a call that is over; yields the ledger and the worker's process."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        settings = {**_SETTINGS, "redis_url": redis.url, "encryption_keys": ENCRYPTION_KEY}
        resources = await stack.enter_async_context(open_resources(load_settings("tools", **settings)))
        process = worker("deliver", environment(**settings), folder)
        stack.callback(process.kill)
        await start_worker(process)
        yield resources, process.pid


@asynccontextmanager
async def _receivers() -> AsyncIterator[list[Receiver]]:
    async with AsyncExitStack() as stack:
        scripts = [*_hostile(b"HTTP/1.1 200 OK\r\n"), *_hostile(b"HTTP/1.1 404 No\r\n")]

        async def one_after_the_other(connection: Connection) -> None:
            await scripts[connection.number % len(scripts)](connection)

        yield [await stack.enter_async_context(receiver(one_after_the_other)) for _ in range(_RECEIVERS)]


async def _subscribe(resources: Resources, tenant: str, url: str) -> None:
    """Subscribe to the end of the one call; the first time, let it end."""
    key = make_key(call_sid="OUT-memory")
    new = NewSubscription(tenant, key, url, EventFilter(("final",)), {}, None, {})
    registration = await resources.registrations.register(new)
    if registration.poll_now:
        await poll(resources, registration.partition)
    resources.deliver_doorbell.ring(registration.partition.number)


async def _reaches(count: Callable[[], int], wanted: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while count() < wanted:  # noqa: ASYNC110 -- the receivers signal nothing
            await asyncio.sleep(0.02)


def _memory(pid: int) -> tuple[float, float]:
    """Return resident memory and its peak since the start, MiB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return resident, peak
