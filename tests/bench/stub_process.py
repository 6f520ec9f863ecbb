"""The stub as a process of its own, seen from a measurement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from app.dev.embedded_redis import free_port
from tests.processes import Process, environment


class Arrival(NamedTuple):
    """A delivery that the stub received: when, in Unix seconds, and what it said. The path is the callback URL's."""

    at: float
    webhook_id: str
    sequence: int
    type: str
    call_sid: str
    path: str


@dataclass(frozen=True, slots=True)
class Counters:
    """What the stub has counted: since its start, but `most_at_once` and `most_connections` since the last reset.

    `at_once` are requests under way upstream, `connections` those that are open, `accepted` those that ever were.
    """

    gets: int
    posts: int
    connections: int
    accepted: int
    most_connections: int
    most_at_once: int
    at_once: int


class RunningStub:
    """A stub at `url`, which is the base URL of the upstream and of the receivers alike."""

    def __init__(self, url: str, pid: int, client: httpx.AsyncClient) -> None:
        self.url = url
        self.pid = pid
        self._client = client

    async def set(self, *, latency_seconds: float, remember: bool = True) -> None:
        """Set the latency of the upstream, and whether deliveries are remembered or only counted."""
        await self._ask(f"settings?latency_ms={latency_seconds * 1000:g}&remember={remember:d}")

    async def counters(self) -> Counters:
        return Counters(**(await self._ask("counters")).json())

    async def arrivals(self) -> list[Arrival]:
        """Fetch the deliveries since the last time, in the order of their arrival; the stub forgets them."""
        rows = (line.split(" ") for line in (await self._ask("arrivals")).text.splitlines())
        return [Arrival(float(at), name, int(number), *rest) for at, name, number, *rest in rows]

    async def reset(self) -> None:
        """Let the highest counts begin anew, and forget the deliveries."""
        await self._ask("reset")

    async def fetch(self, what: str) -> str:
        """Fetch what a stub that does more has to tell."""
        return (await self._ask(what)).text

    async def _ask(self, what: str) -> httpx.Response:
        return (await self._client.get(f"{self.url}/stub/{what}")).raise_for_status()


@asynccontextmanager
async def stub(folder: Path, module: str = "tests.bench.stub") -> AsyncIterator[RunningStub]:
    """Start a stub whose output goes into the folder, and end it. `module` may name one that does more."""
    port = free_port()
    process = Process(["-m", module, str(port)], environment(), folder / "stub.log")
    process.start()
    try:
        await process.until_it_says("the stub listens")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            yield RunningStub(f"http://127.0.0.1:{port}", process.pid, client)
    finally:
        process.kill()
