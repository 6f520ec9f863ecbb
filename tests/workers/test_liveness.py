"""Liveness as a kubelet judges it: who stands still is found out, who has nothing to do or no Redis is left alone."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import EmbeddedRedis, free_port
from tests.conftest import ENCRYPTION_KEY
from tests.peers import eventually
from tests.processes import Process, environment, start_worker
from tests.workers.redis_trouble import go_on, hang
from workers.progress import STANDSTILL_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

# What the manifests' probe has: two failures in a row, each after so long.
PERIOD_SECONDS = 5.0
PROBE_SECONDS = 3.0
DEAD_WITHIN_SECONDS = 15.0
# The first tick, which is what stands still, and a machine that is busy.
SLACK_SECONDS = 10.0


class Probed:
    """A worker with its probes; asked as a kubelet asks."""

    def __init__(self, settings_path: str, redis_url: str, folder: Path) -> None:
        port = free_port()
        settings = environment(
            redis_url=redis_url,
            encryption_keys=ENCRYPTION_KEY,
            upstream_base_url="http://127.0.0.1:9",
            worker_host="127.0.0.1",
            worker_port=port,
        )
        self.process = Process(["-m", "arq", settings_path], settings, folder / f"{port}.log")
        self.url = f"http://127.0.0.1:{port}"

    async def ask(self, path: str) -> tuple[int, str]:
        """Return the status and what is said; 0 where there was no answer in time."""
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_SECONDS) as client:
            try:
                answer = await client.get(self.url + path)
            except httpx.TransportError as error:
                return 0, type(error).__name__
            return answer.status_code, answer.json()["status"]

    async def alive(self) -> bool:
        return (await self.ask("/healthz"))[0] == 200


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[EmbeddedRedis]]:
    with ExitStack() as exits:
        yield [exits.enter_context(EmbeddedRedis(tmp_path / f"redis{number}", appendfsync="no")) for number in range(2)]


@pytest.fixture
def started() -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.kill()


async def test_a_worker_that_stands_still_is_dead_and_one_that_is_idle_is_not(
    tmp_path: Path, servers: list[EmbeddedRedis], started: list[Process]
) -> None:
    steady, hanging = servers
    jammed = Probed("tests.workers.wedged.Jammed", steady.url, tmp_path)
    # In another database: the ticks of one queue are everybody's who listens to it.
    blocked = Probed("tests.workers.wedged.Blocked", f"redis://127.0.0.1:{steady.port}/1", tmp_path)
    idle = Probed("workers.deliver.WorkerSettings", steady.url, tmp_path)
    without_redis = Probed("workers.poll.WorkerSettings", hanging.url, tmp_path)
    both = (idle, without_redis)
    started.extend(one.process for one in (*both, jammed, blocked))
    await asyncio.gather(*map(start_worker, started))
    hang(hanging)
    begun = time.monotonic()

    async def dead() -> bool:
        assert all(await asyncio.gather(*(one.alive() for one in both)))
        return not await jammed.alive()

    await eventually(dead, "the end of a worker whose jobs never end", DEAD_WITHIN_SECONDS + SLACK_SECONDS)
    assert time.monotonic() - begun >= STANDSTILL_SECONDS / 2
    status, said = await jammed.ask("/healthz")
    assert status == 503
    assert said.startswith("the main loop takes no jobs, for 1")

    assert await blocked.ask("/healthz") == (0, "ReadTimeout")
    assert await idle.ask("/healthz") == (200, "ok")
    assert await without_redis.ask("/healthz") == (200, "ok")
    assert (await without_redis.ask("/readyz"))[0] == 503
    go_on(hanging)

    async def ready() -> bool:
        return (await without_redis.ask("/readyz"))[0] == 200

    await eventually(ready, "readiness with Redis back")


async def test_the_probes_answer_before_redis_is_there(
    tmp_path: Path, servers: list[EmbeddedRedis], started: list[Process]
) -> None:
    redis, _ = servers
    redis.kill()
    worker = Probed("workers.poll.WorkerSettings", redis.url, tmp_path)
    started.append(worker.process)
    worker.process.start()
    await eventually(worker.alive, "an answer")
    status, said = await worker.ask("/readyz")
    assert status == 503
    assert "starting" in said or "waiting for Redis" in said
    redis.start()

    async def ready() -> bool:
        return (await worker.ask("/readyz")) == (200, "ok")

    await eventually(ready, "readiness")
    worker.process.ask_to_end()
    assert await worker.process.ended() == 0
