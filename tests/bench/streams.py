"""How soon an event has reached thousands of open streams of one API process, and what a stream takes.

One API process, one core of its own; Redis, the readers and this process have the other. Two cases: all streams are of
one call, and all are of the tenant (`GET /v1/stream`). The time runs from when the record of the event was made to when
each reader has its bytes: the ring, the journals, the process's one reader and a write for each stream are in it.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from app.dev.child_process import die_with_parent
from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.domain.call import CallKey
from app.domain.subscription import EventFilter
from app.resources import Resources, open_resources
from app.settings import load_settings
from app.store.subscriptions import NewSubscription
from tests.bench.cpu import cpu_seconds
from tests.bench.stack import ACCOUNT, CONNECTOR, PROJECT, _answering, _settings
from tests.store.polling import poll

_STREAMS = 5000
_EVENTS = 10
_AIM_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_SID = "OUT-streamed"
_AT_ONCE = 200
_CASES = {"one call": f"/v1/calls/{_SID}/stream", "the tenant": "/v1/stream"}


@dataclass(frozen=True, slots=True)
class Streamed:
    """One case: seconds from the record to the readers, over all events; bytes are of the process's resident memory."""

    case: str
    streams: int
    events: int
    p50: float
    p99: float
    longest: float
    bytes_each: int
    cpu_seconds_an_event: float


class _Tally:
    """Moments at which something happened, and a signal for when it has happened often enough."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self._wanted = 0
        self._enough = asyncio.Event()

    def note(self, times: int) -> None:
        self.moments += [time.time()] * times
        if self._wanted and len(self.moments) >= self._wanted:
            self._enough.set()

    async def reach(self, count: int) -> None:
        self._wanted = count
        self._enough.clear()
        self.note(0)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._enough.wait()


class _Reader(asyncio.Protocol):
    """Reads a stream, and notes when it began and when each event came."""

    def __init__(self, request: bytes, opened: _Tally, arrivals: _Tally) -> None:
        self._request = request
        self._opened = opened
        self._arrivals = arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._opened.note(data.count(b"retry:"))
        self._arrivals.note(data.count(b"\nevent: call."))


def report() -> list[dict[str, Any]]:
    """Measure both cases, print, and return the rows."""
    rows = [asyncio.run(measure(case, path)) for case, path in _CASES.items()]
    click.echo(f"An event to {_STREAMS:,} streams of one API process; aim: p99 under {_AIM_SECONDS * 1000:,.0f} ms")
    for row in rows:
        click.echo(
            f"  streams of {row.case:<11} p50 {row.p50 * 1000:5.0f} ms   p99 {row.p99 * 1000:5.0f} ms   "
            f"longest {row.longest * 1000:5.0f} ms   {row.bytes_each / 1024:4.0f} KiB a stream   "
            f"{row.cpu_seconds_an_event:.2f} CPU-s an event"
        )
    return [asdict(row) for row in rows]


async def measure(case: str, path: str) -> Streamed:
    """Open the streams, record events one after the other, and wait until each has reached all."""
    async with _api() as (port, pid, resources, tenant_id, key):
        new = NewSubscription(
            tenant_id, CallKey(ACCOUNT, PROJECT, CONNECTOR, _SID), "http://127.0.0.1:9/", EventFilter(), {}, None, {}
        )
        await resources.registrations.register(new)
        arrivals = _Tally()
        before = _resident(pid)
        connections = await _open(port, path, key, arrivals)
        each = (_resident(pid) - before) // _STREAMS
        seconds: list[float] = []
        spent = cpu_seconds(pid)
        for number in range(1, _EVENTS + 1):
            arrivals.moments.clear()
            history = [(f"step-{one}", f"2024-03-15T10:00:{one:02d}Z") for one in range(1, number + 1)]
            partition = resources.subscriptions.partition_of_call(_SID)
            await poll(resources, partition, history)
            recorded_at = time.time()
            resources.news.ring(partition.number)
            await arrivals.reach(_STREAMS)
            seconds += [at - recorded_at for at in arrivals.moments]
        spent = (cpu_seconds(pid) - spent) / _EVENTS
        for one in connections:
            one.abort()
    cut = statistics.quantiles(seconds, n=100)
    return Streamed(case, _STREAMS, _EVENTS, cut[49], cut[98], max(seconds), each, spent)


@asynccontextmanager
async def _api() -> AsyncIterator[tuple[int, int, Resources, str, str]]:
    """Start Redis and the API; yield its port and process, the open ledger, and a tenant with its key."""
    cores = sorted(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(EmbeddedRedis(Path(folder)))
        settings = _settings(redis.url, "http://127.0.0.1:9", {"ADMIN_KEY": "admin"})
        environment = os.environ | {f"RINGBACK_{name}": value for name, value in settings.items()}
        port = free_port()
        command = [sys.executable, "-m", "app.cli", "api", "--port", str(port)]
        api = subprocess.Popen(  # noqa: S603, ASYNC220 -- our own command, and nothing else is to be done
            command,
            env=environment | {"RINGBACK_MAX_STREAMS": str(4 * _STREAMS)},
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- there are no threads
        )
        stack.callback(api.wait)
        stack.callback(api.terminate)
        os.sched_setaffinity(api.pid, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        stack.callback(os.sched_setaffinity, 0, cores)
        resources = await stack.enter_async_context(
            open_resources(load_settings("tools", **{name.lower(): value for name, value in settings.items()}))
        )
        await _answering(f"http://127.0.0.1:{port}/healthz")
        new = await resources.tenants.create("bench", ACCOUNT, PROJECT, CONNECTOR)
        yield port, api.pid, resources, new.tenant.id, new.api_key


async def _open(port: int, path: str, key: str, arrivals: _Tally) -> list[asyncio.Transport]:
    """Open all streams, some at a time; return their connections once each has begun."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    loop, opened = asyncio.get_running_loop(), _Tally()
    transports: list[asyncio.Transport] = []
    while len(transports) < _STREAMS:
        some = [
            loop.create_connection(lambda: _Reader(request, opened, arrivals), "127.0.0.1", port)
            for _ in range(_AT_ONCE)
        ]
        transports += [transport for transport, _ in await asyncio.gather(*some)]
        await opened.reach(len(transports))
    return transports


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no resident memory is told")
