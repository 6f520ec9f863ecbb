"""One process of the installation, with links of its own to what it speaks to, which is started again when it ends."""

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from app.dev.embedded_redis import HOST, free_port
from tests.faults.link import Link
from tests.processes import Process, until_ready

Kind = Literal["api", "poll", "deliver"]
# As an orchestrator does before it starts a container that has ended again, when it had run for a while.
_RESTART_AFTER_SECONDS = 1.0
_PROBE_SECONDS = 3.0


@dataclass
class Member:
    """`to_redis` and `to_upstream` are its ways there; `clock` is a file that says how far its clock is off, if any."""

    kind: Kind
    number: int
    process: Process
    port: int
    to_redis: Link
    to_upstream: Link
    clock: Path | None = None
    # Its ends that nobody asked for, and those that were asked for and went wrong, in words.
    unasked: list[str] = field(default_factory=list)
    restarts: int = 0
    _asked: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def kill(self) -> None:
        """End it with SIGKILL; the orchestrator starts it again."""
        self._asked = True
        self.process.kill()

    def ask_to_end(self) -> None:
        """End it with SIGTERM; the orchestrator starts it again."""
        self._asked = True
        self.process.ask_to_end()

    def stop(self) -> None:
        """Let it stand still (SIGSTOP) until `go_on`."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)

    async def probe(self, client: httpx.AsyncClient, path: str) -> str:
        """Return what a probe says: a status code, or how it failed."""
        try:
            answer = await client.get(self.url + path, timeout=_PROBE_SECONDS)
        except httpx.TimeoutException:
            return "timeout"
        except httpx.TransportError:
            return "no answer"
        return str(answer.status_code)

    async def start(self) -> None:
        self.process.start()
        await until_ready(self.process, f"{self.url}/readyz")

    async def supervise(self) -> None:
        """Start it again whenever it has ended, for ever; notes ends that were not asked for, and bad exit codes."""
        while True:
            code = await self.process.ended(math.inf)
            if not self._asked or code not in (0, -signal.SIGKILL):
                self.unasked.append(f"{self.name} ended with {code}: {self.process.output[-2000:]}")
            self._asked = False
            await asyncio.sleep(_RESTART_AFTER_SECONDS)
            self.process.start()
            self.restarts += 1


def new_member(
    kind: Kind, number: int, settings: Mapping[str, str], folder: Path, *, links: tuple[Link, Link], clock: Path | None
) -> Member:
    """Return a member, not yet started; `links` lead to Redis and to the upstream."""
    port = free_port()
    to_redis, to_upstream = links
    own = {
        "RINGBACK_REDIS_URL": f"redis://{HOST}:{to_redis.port}/0",
        "RINGBACK_UPSTREAM_BASE_URL": to_upstream.url,
        "RINGBACK_WORKER_PORT": str(port),
    }
    arguments = {
        "api": ["-m", "app.cli", "api", "--host", HOST, "--port", str(port)],
        "poll": ["-m", "app.cli", "worker", "poll"],
        "deliver": ["-m", "app.cli", "worker", "deliver"],
    }[kind]
    process = Process(arguments, {**settings, **own}, folder / f"{kind}-{number}.log")
    return Member(kind, number, process, port, to_redis, to_upstream, clock)


@asynccontextmanager
async def supervised(members: list[Member]) -> AsyncIterator[None]:
    """Start all at the same time, and start again whichever ends."""
    try:
        await asyncio.gather(*(one.start() for one in members))
        async with asyncio.TaskGroup() as watching:
            tasks = [watching.create_task(one.supervise()) for one in members]
            yield
            for task in tasks:
                task.cancel()
    finally:
        for one in members:
            one.process.kill()
