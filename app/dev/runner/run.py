"""One run from start to end."""

import asyncio
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from app.dev.embedded_redis import EmbeddedRedis
from app.dev.listener import create_listener
from app.dev.runner import surroundings
from app.dev.runner.board import Board
from app.dev.runner.children import Child, ChildPlan, start
from app.dev.runner.demonstration import Demonstration
from app.dev.runner.errors import ChildEnded
from app.dev.runner.home import Home
from app.dev.runner.listening import listening
from app.dev.runner.screen import Screen, open_screen
from app.dev.runner.surroundings import Upstream
from app.settings import PREFIX, load_settings

_REQUEST_SECONDS = 10.0
_TICK_SECONDS = 1.0
# A request may fail a moment before the end of the process that failed it is noticed.
_AFTERMATH_SECONDS = 1.0


def run_dev(folder: Path, api_port: int) -> None:
    """Run everything until SIGINT or SIGTERM. Raises DevError or EmbeddedRedisError."""
    started = time.monotonic()
    upstream = surroundings.real_upstream(environ)
    home = Home(_folder(folder, upstream))
    board = Board()
    screen = open_screen(board)
    with home.locked():
        kept = home.load()
        around = surroundings.choose(upstream, api_port=api_port, listener_port=kept.listener_port)
        kept = replace(kept, listener_port=around.listener_port)
        home.save(kept)
        redis = EmbeddedRedis(home.redis_directory)
        decided = surroundings.settings(kept, around, redis.url)
        _check(decided)
        if aside := home.prepare_redis(kept):
            screen.say(f"{home.env_file} lacks the key to the data in {home.redis_directory}: it was moved to {aside}.")
        screen.say(f"Starting Redis, {'' if upstream else 'a simulated upstream, '}the API and the workers …")
        demonstration = Demonstration(home, kept, around, board, screen, started=started)
        run = _Run(surroundings.children(around), surroundings.environment(decided), home, redis, screen)
        try:
            redis.start()
            asyncio.run(run.main(demonstration, around.listener_port))
        except KeyboardInterrupt:
            # While Redis started; later on the signals are the loop's.
            pass
        finally:
            with _undisturbed():
                redis.stop()
    with suppress(OSError):
        screen.say("Stopped.")


class _Run:
    """The children, from their start to their end."""

    def __init__(
        self,
        plans: Sequence[ChildPlan],
        environment: Mapping[str, str],
        home: Home,
        redis: EmbeddedRedis,
        screen: Screen,
    ) -> None:
        self._plans = plans
        self._environment = environment
        self._home = home
        self._redis = redis
        self._screen = screen
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def main(self, demonstration: Demonstration, listener_port: int) -> None:
        """Return when a signal has come and every child is gone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        listener = create_listener(lambda: demonstration.secrets, demonstration.received)
        async with (
            httpx.AsyncClient(timeout=_REQUEST_SECONDS, trust_env=False) as client,
            # Until the very end: workers finish the deliveries under way before they go.
            listening(listener, listener_port),
        ):
            try:
                for plan in self._plans:
                    command = surroundings.command(plan.words)
                    self._children.append(await start(plan, command, self._environment, self._home.logs_directory))
                await self._until_stopped(client, demonstration)
            finally:
                # A terminal that was closed can be written to no more.
                with suppress(OSError):
                    self._screen.close()
                    self._screen.say("Stopping …")
                await self._stop_children()

    def _signalled(self) -> None:
        """Stop at the first signal, and at the second one without waiting for anything."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _until_stopped(self, client: httpx.AsyncClient, demonstration: Demonstration) -> None:
        stop = asyncio.create_task(self._stop.wait())
        ends = [asyncio.create_task(end) for end in (*(child.end() for child in self._children), self._end_of_redis())]
        work = asyncio.create_task(self._show(client, demonstration))
        tasks = [stop, work, *ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return
            if work.done():
                await asyncio.wait(ends, timeout=_AFTERMATH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                if end.done():
                    raise end.result()
            work.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, client: httpx.AsyncClient, demonstration: Demonstration) -> None:
        await asyncio.gather(*(child.ready(client) for child in self._children))
        await demonstration.show(client)

    async def _end_of_redis(self) -> ChildEnded:
        """Wait until Redis has ended, and keep the screen's ages right meanwhile."""
        while self._redis.pid is not None:
            await asyncio.sleep(_TICK_SECONDS)
            self._screen.refresh()
        return ChildEnded(f"Redis ended by itself; {self._redis.log_path} may tell why.")

    async def _stop_children(self) -> None:
        """Stop all but the upstream at once, then the upstream: what is being polled still gets its answer."""
        clients = [child for child in self._children if not child.plan.last]
        upstreams = [child for child in self._children if child.plan.last]
        for group in (clients, upstreams):
            await asyncio.gather(*(child.stop(self._hurry) for child in group))


def _folder(folder: Path, upstream: Upstream | None) -> Path:
    """Return a folder for each upstream: calls of one must never be asked for at another."""
    if upstream is None:
        return folder
    return folder / ("upstream-" + re.sub(r"[^a-z0-9.-]", "-", urlsplit(upstream.base_url).netloc.lower()))


def _check(decided: Mapping[str, str]) -> None:
    """End the process with one line when a setting is impossible, before the children would."""
    load_settings("api", **{name.removeprefix(PREFIX).lower(): value for name, value in decided.items()})


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C for a moment."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
