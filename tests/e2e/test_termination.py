"""SIGTERM while others hang: each kind of process ends by itself, with exit code 0, within what it says it may take."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.settings import Settings
from tests.builders import make_body, make_key
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import ACCOUNT, PROJECT, new_path, new_tenant, open_client
from tests.peers import Receiver, Reply, Upstream, eventually
from tests.processes import Process, environment, ringback, start_worker, until_ready
from tests.servers import serve
from tests.workers.redis_trouble import go_on, hang
from workers import deliver, poll
from workers.runtime import grace_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

TIMEOUT_SECONDS = 4.0
KINDS = {"poll": poll.KIND, "deliver": deliver.KIND}
HANGS = Reply(hangs=True)
SID = "OUT-hangs"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        yield server


@dataclass
class Site:
    """An installation whose upstream and receiver do what a test says."""

    redis: EmbeddedRedis
    workers: dict[str, Process]
    api: Process
    client: httpx.AsyncClient
    upstream: Upstream
    receiver: Receiver
    receiver_url: str

    async def subscribe(self, call_sid: str) -> str:
        """Follow a call; returns the path to which its events go."""
        path = new_path()
        wanted = {"call_sid": call_sid, "callback_url": self.receiver_url + path}
        (await self.client.post("/v1/subscriptions", json=wanted)).raise_for_status()
        return path


@pytest.fixture
async def site(redis: EmbeddedRedis, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as exits:
        upstream, receiver = Upstream(), Receiver()
        settings = environment(
            redis_url=redis.url,
            upstream_base_url=await exits.enter_async_context(serve(upstream)),
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            allow_private_callbacks=True,
            allow_http_callbacks=True,
            callback_ports="*",
            upstream_timeout_seconds=TIMEOUT_SECONDS,
            delivery_timeout_seconds=TIMEOUT_SECONDS,
            worker_port=0,
        )
        receiver_url = await exits.enter_async_context(serve(receiver))
        port = free_port()
        api = ringback("api", "--port", str(port), settings=settings, log_path=tmp_path / "api.log")
        workers = {
            kind: ringback("worker", kind, settings=settings, log_path=tmp_path / f"{kind}.log") for kind in KINDS
        }
        for process in (api, *workers.values()):
            exits.callback(process.kill)
        api.start()
        url = f"http://127.0.0.1:{port}"
        await asyncio.gather(until_ready(api, f"{url}/readyz"), *map(start_worker, workers.values()))
        admin = await exits.enter_async_context(open_client(url, ADMIN_KEY))
        client = await exits.enter_async_context(open_client(url, (await new_tenant(admin))["api_key"]))
        yield Site(redis, workers, api, client, upstream, receiver, receiver_url)


def bound(kind: str) -> float:
    settings = Settings(upstream_timeout_seconds=TIMEOUT_SECONDS, delivery_timeout_seconds=TIMEOUT_SECONDS)
    return grace_seconds(KINDS[kind], settings)


async def ends_well(process: Process, seconds: float, *, signals: int = 1) -> float:
    """Send SIGTERM so many times; returns the seconds until the end, which is one in good order."""
    begun = time.monotonic()
    for _ in range(signals - 1):
        process.ask_to_end()
        await process.until_it_says("worker ends")
    assert await process.terminate(seconds) == 0
    assert "Traceback" not in process.output
    assert "destroyed" not in process.output
    return time.monotonic() - begun


@pytest.mark.parametrize("signals", [1, 2])
async def test_who_waits_for_an_upstream_or_a_receiver_that_hangs_ends_within_its_grace(
    site: Site, signals: int
) -> None:
    key = make_key(account_id=ACCOUNT, project_id=PROJECT, connector_id="connector", call_sid="OUT-told")
    told = Reply(200, make_body(key=key), {"content-type": "application/json"})
    site.upstream.script("OUT-told", then=told)
    site.upstream.script(SID, then=HANGS)
    path = new_path()
    site.receiver.reply(path, then=HANGS)
    for sid in ("OUT-told", SID):
        wanted = {"call_sid": sid, "callback_url": site.receiver_url + path}
        (await site.client.post("/v1/subscriptions", json={**wanted, "connector_id": "connector"})).raise_for_status()
    await site.upstream.until_polled(SID, 1)
    await site.receiver.until_at(path, 1)
    await asyncio.gather(*(ends_well(process, bound(kind), signals=signals) for kind, process in site.workers.items()))
    assert await site.api.terminate(15) == 0
    # What was under way was recorded: nobody holds a lease on it.
    assert "left to" not in "".join(process.output for process in site.workers.values())


async def test_while_redis_hangs_everything_ends_within_its_grace(site: Site) -> None:
    site.upstream.script(SID, then=HANGS)
    await site.subscribe(SID)
    await site.upstream.until_polled(SID, 1)
    hang(site.redis)
    try:
        for process in site.workers.values():
            await process.until_it_says("the queue's Redis is away")
        took = await asyncio.gather(
            *(ends_well(process, bound(kind)) for kind, process in site.workers.items()),
            ends_well(site.api, 15),
        )
    finally:
        go_on(site.redis)
    assert max(took[:2]) < bound("poll")


def handles_sigterm(process: Process) -> bool:
    """Whether a process has got so far as to do something about SIGTERM, as Linux tells it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1 << signal.SIGTERM - 1)


@pytest.mark.parametrize("command", [("worker", "poll"), ("api", "--port", "0")], ids=["worker", "api"])
async def test_who_is_told_to_end_in_its_first_moments_ends_well(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Whatever it does at that moment: importing, opening its port, or waiting for a Redis that is not there."""
    command = tuple(str(free_port()) if part == "0" else part for part in command)
    settings = environment(
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        upstream_base_url="http://127.0.0.1:9",
        admin_key=ADMIN_KEY,
        encryption_keys=ENCRYPTION_KEY,
        worker_port=0,
    )
    for quarters in (0, 1, 3, 6):
        process = ringback(*command, settings=settings, log_path=tmp_path / f"{quarters}.log")
        process.start()
        try:

            async def handles(process: Process = process) -> bool:
                return handles_sigterm(process)

            await eventually(handles, "a handler of SIGTERM")
            # From its first imports to its waiting, as it happens on this machine: any moment must do.
            moment = time.monotonic() + 0.25 * quarters

            async def has_come(moment: float = moment) -> bool:
                return time.monotonic() >= moment

            await eventually(has_come, "a moment of its start")
            assert await process.terminate() == 0
            assert "Traceback" not in process.output
        finally:
            process.kill()
