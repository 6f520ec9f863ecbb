"""`make image-check`: build the image, look into it, and run everything from it until its end under load.

Needs root, buildah, crun and debootstrap, and is skipped without them. What the build needs to know of this machine's
package index is given in IMAGE_BUILD_OPTIONS, in buildah's words. Everything is kept in `.image/` for the next time.
"""

import asyncio
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from app.dev.embedded_redis import free_port
from app.dev.simulator import SimulatorSettings, create_simulator
from app.domain.signing import verify
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import PACE, Stack, new_tenant, open_client
from tests.image.building import BASE, IMAGE, Store, missing_tools
from tests.image.containers import Container, Runner
from tests.image.looking import look_inside, one_offs
from tests.peers import Receiver, Upstream, eventually
from tests.processes import ROOT, until_ready
from tests.servers import serve
from tests.topologies import open_topology

_CALLS = 60
# So that each of the three ends, and comes back, while calls are under way.
_SIMULATOR = SimulatorSettings(seed=3, time_lapse=8)
# As the manifests and compose.yaml have it.
GRACE_SECONDS = {"api": 30, "poll": 30, "deliver": 45}
# Without Redis there is nothing to finish.
_START_GRACE_SECONDS = 10.0
_WORDS = {"api": ["api"], "poll": ["worker", "poll"], "deliver": ["worker", "deliver"]}


@dataclass(frozen=True, slots=True)
class Running:
    """The three containers, with the health check that the image has, and what they work with."""

    runner: Runner
    containers: dict[str, Container]
    stack: Stack
    ready_urls: dict[str, str]


def main() -> None:
    """Print what is found; the exit code is 1 if anything is not as it should be."""
    missing = [*missing_tools(), *([] if os.geteuid() == 0 else ["root"])]
    if missing:
        click.echo(f"make image-check: skipped, since it needs {', '.join(missing)}")
        return
    folder = ROOT / ".image"
    store = Store(folder)
    began = time.monotonic()
    store.make_base()
    store.build(shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", "")))
    click.echo(
        f"built in {time.monotonic() - began:.0f} s; {store.megabytes(IMAGE):g} MB over {store.megabytes(BASE):g} MB"
    )
    container, files = store.mount()
    try:
        look_inside(files, store.config())
        with tempfile.TemporaryDirectory(dir=folder) as runs:
            runner = Runner(Path(runs), files, store.config())
            one_offs(runner)
            asyncio.run(_drive(runner, Path(runs)))
    finally:
        store.remove(container)
    click.echo("all is as it should be")


async def _drive(runner: Runner, folder: Path) -> None:
    async with AsyncExitStack() as opened:
        running = await _start(runner, folder, opened)
        stack = running.stack
        for role, container in running.containers.items():
            await _says_how_it_is(running, role, container)
        subscribers = await stack.subscribe_all(await stack.place(_CALLS), each=2)
        for role in ("deliver", "poll", "api"):
            await _end_under_load(running, role, len(stack.receiver.receipts) + _CALLS // 2)
        await stack.until_over(subscribers, 120)
        judgement = await stack.judge(subscribers)
        _expect(judgement.faults() == [], f"faults: {judgement.faults()}")
        for receipt in stack.receiver.receipts:
            verify([stack.signing_secret], receipt.headers, receipt.body, int(time.time()))
        click.echo(
            f"{judgement.delivered_once} events of {_CALLS} calls arrived once and in order, and all signatures hold"
        )
        for role, container in running.containers.items():
            click.echo(f"{role}: {container.resident_mebibytes():.0f} MiB resident")
    await _end_while_starting(runner)


async def _start(runner: Runner, folder: Path, opened: AsyncExitStack) -> Running:
    redis = open_topology(folder / "redis", appendfsync="always")
    opened.callback(redis.kill)
    redis.launch()
    receiver, upstream = Receiver(), Upstream(create_simulator(_SIMULATOR))
    receiver_url, upstream_url = [await opened.enter_async_context(serve(app)) for app in (receiver, upstream)]
    common = {
        "redis_url": redis.url,
        "encryption_keys": ENCRYPTION_KEY,
        "admin_key": ADMIN_KEY,
        "upstream_base_url": upstream_url,
        "allow_private_callbacks": "true",
        "allow_http_callbacks": "true",
        "callback_ports": "*",
        **PACE,
    }
    containers, urls = {}, {}
    for role, words in _WORDS.items():
        settings = _on_loopback()
        port = settings["RINGBACK_BIND_PORT" if role == "api" else "RINGBACK_WORKER_PORT"]
        containers[role] = runner.container(words, settings | _told(common))
        opened.callback(containers[role].kill)
        containers[role].start()
        urls[role] = f"http://127.0.0.1:{port}"
    for role, container in containers.items():
        await until_ready(container, f"{urls[role]}/readyz")
    admin = await opened.enter_async_context(open_client(urls["api"], ADMIN_KEY))
    tenant = await new_tenant(admin)
    stack = Stack(
        folder=folder, settings=_told(common), redis=redis, simulator_url=upstream_url, upstream=upstream,
        receiver=receiver, receiver_url=receiver_url,
        poll_worker=containers["poll"], deliver_worker=containers["deliver"],
        api=await opened.enter_async_context(open_client(urls["api"], tenant["api_key"])), admin=admin,
        api_key=tenant["api_key"], signing_secret=tenant["signing_secret"],
        metrics={role: f"{url}/metrics" for role, url in urls.items()},
    )  # fmt: skip
    return Running(runner, containers, stack, urls)


def _told(settings: Mapping[str, object]) -> dict[str, str]:
    return {f"RINGBACK_{name.upper()}": str(value) for name, value in settings.items()}


def _on_loopback() -> dict[str, str]:
    """Ports of its own for each container: all are in this machine's network."""
    ports = (f"RINGBACK_{who}_PORT" for who in ("BIND", "WORKER"))
    hosts = dict.fromkeys(("RINGBACK_BIND_HOST", "RINGBACK_WORKER_HOST"), "127.0.0.1")
    return hosts | {name: str(free_port()) for name in ports}


async def _says_how_it_is(running: Running, role: str, container: Container) -> None:
    """Ask with the image's own health check: a process that is well, and one that stands still."""
    check = running.runner.health_check
    began = time.monotonic()
    well = container.execute(*check)
    seconds = time.monotonic() - began
    _expect(well.returncode == 0, f"{role}, which is well, is called unwell: {well.stderr}")
    container.freeze(still=True)
    unwell = container.execute(*check)
    container.freeze(still=False)
    _expect(unwell.returncode == 1, f"{role}, which stands still, is called well")
    click.echo(
        f"{role}: {shlex.join(check)} ends with 0 after {seconds:.2f} s; while it stands still, {unwell.stderr.strip()}"
    )
    await until_ready(container, f"{running.ready_urls[role]}/readyz")


async def _end_under_load(running: Running, role: str, receipts: int) -> None:
    """Have a container end amid the events, and start it again."""
    stack, container = running.stack, running.containers[role]
    await stack.receiver.until(lambda: len(stack.receiver.receipts) >= receipts, f"{receipts} events")
    asking = asyncio.create_task(_ask_often(stack)) if role == "api" else None
    began = time.monotonic()
    code = await container.terminate(GRACE_SECONDS[role])
    click.echo(f"{role}: SIGTERM under load, exit code {code} after {time.monotonic() - began:.2f} s")
    _expect(code == 0, f"{role} ended with {code}:\n{container.output}")
    if asking:
        await asking
    container.start()
    await until_ready(container, f"{running.ready_urls[role]}/readyz")


async def _ask_often(stack: Stack) -> None:
    """Ask the API until it is gone."""
    try:
        while True:
            answer = await stack.api.get("/v1/deliveries")
            _expect(answer.is_success, f"the API answered {answer.status_code} while it ended")
    except httpx.TransportError:
        return


async def _end_while_starting(runner: Runner) -> None:
    """Have each kind end in its first moments, without a Redis.

    The first process of a container ignores the signals that it does not handle, so one that came too early is lost.
    """
    for role, words in _WORDS.items():
        settings = _on_loopback() | {
            "RINGBACK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
            "RINGBACK_UPSTREAM_BASE_URL": "http://127.0.0.1:9",
            "RINGBACK_ADMIN_KEY": ADMIN_KEY,
            "RINGBACK_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        }
        for wait in (0.0, 0.3, 1.0, 2.5):
            await _end_after(runner.container(words, settings), role, wait)


async def _end_after(container: Container, role: str, wait: float) -> None:
    """Have a container end so many seconds after it began to heed SIGTERM."""
    container.start()
    began = time.monotonic()
    try:
        await eventually(container.heeds_sigterm, f"{role} heeds SIGTERM")
        deaf = time.monotonic() - began
        await asyncio.sleep(wait)
        code = await container.terminate(_START_GRACE_SECONDS)
    finally:
        container.kill()
    click.echo(f"{role}: heeds SIGTERM {deaf:.2f} s after crun is called; {wait:g} s later it ends it with {code}")
    _expect(code == 0, f"{role} ended with {code}:\n{container.output}")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"make image-check: {otherwise}")


if __name__ == "__main__":
    main()
