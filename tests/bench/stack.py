"""The service and its surroundings as separate processes, for measuring."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from app.dev.child_process import die_with_parent
from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.dev.simulator import DEMO_ACCOUNT
from app.domain.call import CallKey
from app.domain.subscription import EventFilter
from app.resources import Resources, open_resources
from app.settings import load_settings
from app.store.subscriptions import NewSubscription

ACCOUNT, PROJECT = DEMO_ACCOUNT.account_id, DEMO_ACCOUNT.project_id
CONNECTOR = DEMO_ACCOUNT.connector_ids[0]
_SIMULATOR = (
    "import sys; from app.dev.simulator import SimulatorSettings, run_simulator; "
    "run_simulator(SimulatorSettings(error_share=0, slow_share=0), '127.0.0.1', int(sys.argv[1]))"
)
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs: the simulator's address, the open ledger, a tenant."""

    simulator_url: str
    resources: Resources
    tenant_id: str

    async def place(self, client: httpx.AsyncClient, life: Sequence[tuple[float, str]]) -> str:
        """Place a call with this life and return its SID."""
        url = f"{self.simulator_url}/api/v1/{ACCOUNT}/{PROJECT}/outbound-call"
        answer = await client.post(url, headers={"X-CONNECTOR-ID": CONNECTOR}, json={"life": life})
        sid: str = answer.json()["call_sid"]
        return sid

    async def subscribe(self, call_sid: str, callback_url: str) -> None:
        """Register as the API does, doorbell included."""
        key = CallKey(ACCOUNT, PROJECT, CONNECTOR, call_sid)
        new = NewSubscription(self.tenant_id, key, callback_url, EventFilter(), {}, None, {})
        registration = await self.resources.registrations.register(new)
        if registration.poll_now:
            self.resources.poll_doorbell.ring(registration.partition.number)

    async def truth(self, client: httpx.AsyncClient) -> list[dict[str, object]]:
        """Return the simulator's log: each call's true history and the polls that it got."""
        lines = (await client.get(f"{self.simulator_url}/simulator/log")).text.splitlines()
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def running(pace: Mapping[str, str], *, poll_workers: int = 1, deliver_workers: int = 1) -> AsyncIterator[Stack]:
    """Start Redis (with AOF), the simulator and the workers; `pace` are settings without their prefix."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(EmbeddedRedis(Path(folder)))
        port = free_port()
        settings = _settings(redis.url, f"http://127.0.0.1:{port}", pace)
        environment = os.environ | {f"RINGBACK_{name}": value for name, value in settings.items()}
        log = stack.enter_context((Path(folder) / "workers.log").open("wb"))
        commands = [[sys.executable, "-c", _SIMULATOR, str(port)]]
        for kind, count in (("poll", poll_workers), ("deliver", deliver_workers)):
            commands += [[sys.executable, "-m", "arq", f"workers.{kind}.WorkerSettings"]] * count
        stack.callback(_stop, [_start(command, environment, log) for command in commands])
        resources = await stack.enter_async_context(
            open_resources(load_settings("tools", **{name.lower(): value for name, value in settings.items()}))
        )
        await _answering(f"http://127.0.0.1:{port}/simulator/polls")
        new = await resources.tenants.create("bench", ACCOUNT, PROJECT, CONNECTOR)
        yield Stack(f"http://127.0.0.1:{port}", resources, new.tenant.id)


def _settings(redis_url: str, upstream_url: str, pace: Mapping[str, str]) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "UPSTREAM_BASE_URL": upstream_url,
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "ALLOW_PRIVATE_CALLBACKS": "true",
        "ALLOW_HTTP_CALLBACKS": "true",
        "CALLBACK_PORTS": "*",
        "WORKER_PORT": "0",
        "LOG_LEVEL": "WARNING",
        **pace,
    }


def _start(command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 -- our own commands
        command,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- there are no threads
    )


async def _answering(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
    raise RuntimeError(f"{url} does not answer")


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(_STOP_SECONDS)
