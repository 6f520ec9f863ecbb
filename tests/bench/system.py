"""The real service beside the stub, each part a process of its own, for measurements under load."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.dev.embedded_redis import EmbeddedRedis
from app.resources import Resources, open_resources
from app.settings import load_settings
from tests.bench.cpu import cpu_seconds
from tests.bench.stub_process import RunningStub, stub
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.processes import Process, environment, start_api, start_worker, worker

PACES = ("poll_early_seconds", "poll_early_max_seconds", "poll_in_progress_seconds", "poll_in_progress_max_seconds")
_LOOK_AGAIN_SECONDS = 0.02
_SETTINGS = {
    "admin_key": ADMIN_KEY,
    "encryption_keys": ENCRYPTION_KEY,
    "allow_private_callbacks": True,
    "allow_http_callbacks": True,
    "callback_ports": "*",
    "worker_port": 0,
}


@dataclass(slots=True)
class System:
    """What runs. `resources` are the bench's own, to fill and to read the ledger; `client` speaks to the API."""

    folder: Path
    stub: RunningStub
    resources: Resources
    tenant_id: str
    client: httpx.AsyncClient
    settings: dict[str, object]
    pids: dict[str, int]
    _processes: dict[str, Process] = field(default_factory=dict)

    async def start_api(self) -> None:
        process, url = await start_api(environment(**self.settings), self.folder)
        self._processes["api"], self.pids["api"] = process, process.pid
        self.client.base_url = httpx.URL(url)

    async def start_worker(self, kind: str) -> None:
        """Start a worker of a kind that does not run yet."""
        process = worker(kind, environment(**self.settings), self.folder)
        self._processes[kind] = process
        await start_worker(process)
        self.pids[kind] = process.pid

    async def stop(self, name: str) -> None:
        """End a process in good order: a worker then gives back what it holds."""
        await self._processes.pop(name).terminate()
        del self.pids[name]

    def cpu(self) -> dict[str, float]:
        """Return what each process has had of the CPU so far, in seconds."""
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()


@asynccontextmanager
async def system(
    settings: Mapping[str, object] | None = None, stub_module: str = "tests.bench.stub"
) -> AsyncIterator[System]:
    """Start Redis, with its append-only file, and the stub, and make a tenant. The rest is started when it is wanted.

    `settings` are named without their prefix; those of a benchmark stand when they are not named.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        peer = await stack.enter_async_context(stub(folder, stub_module))
        wanted = {**_SETTINGS, "redis_url": redis.url, "upstream_base_url": peer.url, **(settings or {})}
        resources = await stack.enter_async_context(open_resources(load_settings("tools", **wanted)))
        await resources.ledger.ping()
        new = await resources.service.tenants.create("bench", ACCOUNT, PROJECT, CONNECTOR)
        client = await stack.enter_async_context(
            httpx.AsyncClient(headers={"authorization": f"Bearer {new.api_key}"}, trust_env=False, timeout=60)
        )
        pids = {"redis": redis.pid or 0, "stub": peer.pid}
        running = System(folder, peer, resources, new.tenant.id, client, wanted, pids)
        stack.callback(running.kill)
        yield running


async def received(stubs: Sequence[RunningStub], deliveries: int, seconds: float) -> int:
    """Wait until stubs have received so many in all since their start; returns how many they have."""
    async with asyncio.timeout(seconds):
        while (posts := sum([(await one.counters()).posts for one in stubs])) < deliveries:  # noqa: ASYNC110 -- no signal
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return posts


def pin(pids: Iterable[int], core: int) -> None:
    """Let processes run on one core only, with all the threads that they have by now."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
