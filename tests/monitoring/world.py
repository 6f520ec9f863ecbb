"""The whole service under a steady load, with everything in reach that can be broken."""

import asyncio
import itertools
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis import Redis
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.dev.simulator import SimulatorSettings, create_simulator
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import ACCOUNT, CONNECTOR, PACE, PROJECT, new_tenant, open_client
from tests.processes import Process, environment, start_api, until_ready
from tests.servers import serve

LIFE = [[0, "CREATED"], [0.5, "queued"], [2, "ringing"], [4, "in-progress"], [8, "completed"]]
_CALLS_A_SECOND = 3
_RECEIVERS = 3
# Everything that takes minutes in earnest, so that a trial takes seconds; the rest are the defaults.
SETTINGS: dict[str, object] = PACE | {
    "upstream_timeout_seconds": 3,
    "not_found_grace_seconds": 3,
    "delivery_timeout_seconds": 5,
    "delivery_retry_seconds": "0.5,0.5,1,1",
    "delivery_max_per_destination": 4,
    "retention_seconds": 600,
}


class Moody:
    """An application that answers with `status` instead for a `share` of the requests, and after `delay` seconds."""

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self.status, self.share, self.delay = 0, 0.0, 0.0

    def fail(self, status: int, share: float = 1.0) -> None:
        self.status, self.share = status, share

    def mend(self) -> None:
        self.status, self.share, self.delay = 0, 0.0, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] == "POST" and self._places(scope)):
            await self._otherwise(scope, receive, send)
            return
        await asyncio.sleep(self.delay)
        failing = random.random() < self.share  # noqa: S311 -- a share of requests, nothing to be guessed
        await (JSONResponse({}, self.status) if failing else self._otherwise)(scope, receive, send)

    @staticmethod
    def _places(scope: Scope) -> bool:
        return str(scope["path"]).endswith("/outbound-call")


async def _accept(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await JSONResponse({})(scope, receive, send)


class Worker:
    """A worker that can be ended and begun again, on a port that stays."""

    def __init__(self, kind: str, settings: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self._kind, self._settings, self._folder = kind, settings, folder
        self.process = self._new({})

    def _new(self, more: Mapping[str, str]) -> Process:
        own = {"RINGBACK_WORKER_PORT": str(self.port), "RINGBACK_WORKER_HOST": "127.0.0.1"}
        arguments = ["-m", "tests.monitoring.wedging_worker", self._kind]
        return Process(arguments, {**self._settings, **own, **more}, self._folder / f"{self._kind}.log")

    async def start(self, **more: object) -> None:
        """Start it, with `more` settings than usual."""
        self.process = self._new({f"RINGBACK_{name.upper()}": str(value) for name, value in more.items()})
        self.process.start()
        await until_ready(self.process, f"http://127.0.0.1:{self.port}/readyz")

    def kill(self) -> None:
        self.process.kill()

    async def again(self, **more: object) -> None:
        self.kill()
        await self.start(**more)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


@dataclass
class World:
    """What runs."""

    redis: EmbeddedRedis
    upstream: Moody
    receivers: list[Moody]
    receiver_urls: list[str]
    api_port: int
    poll: Worker
    deliver: Worker
    client: httpx.AsyncClient
    simulator_url: str
    paths: "itertools.count[int]" = field(default_factory=itertools.count)

    def redis_client(self) -> Redis:
        return Redis(port=self.redis.port)

    def redis_memory(self) -> int:
        """Return how many bytes Redis uses."""
        with self.redis_client() as client:
            # Any: redis-py's types cover the client that waits and the one that does not.
            told: Any = client.info("memory")
        return int(told["used_memory"])

    async def load(self) -> None:
        """Place and register calls for ever, some a second, spread over the receivers; failures are not minded."""
        trigger = f"{self.simulator_url}/api/v1/{ACCOUNT}/{PROJECT}/outbound-call"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as upstream:
            while True:
                with suppress(httpx.HTTPError):
                    body = {"count": _CALLS_A_SECOND, "life": LIFE}
                    answer = await upstream.post(trigger, headers={"X-CONNECTOR-ID": CONNECTOR}, json=body)
                    await asyncio.gather(*(self._register(sid) for sid in answer.json()["call_sids"]))
                await asyncio.sleep(1)

    async def _register(self, call_sid: str) -> None:
        number = next(self.paths)
        url = f"{self.receiver_urls[number % len(self.receiver_urls)]}/{number}"
        with suppress(httpx.HTTPError):
            await self.client.post("/v1/subscriptions", json={"call_sid": call_sid, "callback_url": url}, timeout=5)


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """Start Redis, upstream, receivers, the API and a worker of each kind; everything ends with the block."""
    async with AsyncExitStack() as stack:
        redis = EmbeddedRedis(folder / "redis")
        stack.callback(redis.kill)
        redis.start()
        upstream = Moody(create_simulator(SimulatorSettings(error_share=0, slow_share=0)))
        receivers = [Moody(_accept) for _ in range(_RECEIVERS)]
        simulator_url, *receiver_urls = [await stack.enter_async_context(serve(app)) for app in (upstream, *receivers)]
        settings = environment(
            redis_url=redis.url,
            upstream_base_url=simulator_url,
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            allow_private_callbacks=True,
            allow_http_callbacks=True,
            callback_ports="*",
            **SETTINGS,
        )
        api, api_url = await start_api(settings, folder)
        stack.callback(api.kill)
        poll, deliver = Worker("poll", settings, folder), Worker("deliver", settings, folder)
        for worker in (poll, deliver):
            stack.callback(worker.kill)
            await worker.start()
        admin = await stack.enter_async_context(open_client(api_url, ADMIN_KEY))
        tenant = await new_tenant(admin)
        client = await stack.enter_async_context(open_client(api_url, tenant["api_key"]))
        port = int(api_url.rpartition(":")[2])
        yield World(redis, upstream, receivers, receiver_urls, port, poll, deliver, client, simulator_url)
