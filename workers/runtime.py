"""What both kinds of worker share: the arq settings, start-up, the ticks, the probes and the drain.

How a worker lives. `worker_settings` is called before arq has made anything; the first thing that its event loop then
does is `Runtime.begin`: the probes' port opens, and what waits for the ledger begins, while arq itself is still
connecting to the queue. SIGTERM reaches `Runtime.end` before it reaches arq: claims go back at once, and when arq has
waited for its jobs and calls `Runtime.stop`, most of the drain is over.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from arq import cron, func

from app.process import settle_in
from app.queue import SteadyQueue, deserialize_job, serialize_job
from app.resources import Resources, open_resources
from app.settings import Settings
from app.store.connection import StoreUnavailable
from app.store.keys import Partition, all_partitions
from app.telemetry import metrics
from app.telemetry.log import configure_logging
from workers.boot import Refused, ask_queue, await_ledger, until_newer
from workers.claims import HORIZON_SECONDS, LEASE_MARGIN_SECONDS, ClaimLoop
from workers.ending import TellingLoop, end_well_while_starting, open_telling_loop
from workers.probes import start_probes
from workers.progress import Moving, RedisWatch, Sign, StandingStill, judge
from workers.ticking import keep_ticking

# How soon a doorbell is heard. Each look into the queue costs a third of a millisecond.
_POLL_DELAY_SECONDS = 0.01
_JOBS_AT_ONCE = 100
# A tick is heard some milliseconds before its second: as soon as arq enqueues it.
_EARLY_SECONDS = 0.1
# It is over within milliseconds, when other workers have not enqueued it yet: they are to find that it was.
_TICK_KEPT_SECONDS = 2
# Longer than a look waits for room.
_LOOK_SECONDS = 30
_SILENCE_SECONDS = 5.0
# A probe waits for three seconds at the most.
_READY_SECONDS = 1.0
# What has begun is given so much longer than it may take, to be told from it.
_DRAIN_MARGIN_SECONDS = 1.0
# For what is open beside: two doorbells and the last traces of 2 s each, arq's last command of 1 s, and connections.
_CLOSING_SECONDS = 8.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of worker.

    `open_loop` makes its claim loop of the resources and keeps it open; `count_due` tells for each partition
    how much falls due within some seconds; `longest_seconds` bounds one action, and so the drain.
    """

    name: str
    queue_name: str
    function: str
    open_loop: Callable[[Resources], AbstractAsyncContextManager[ClaimLoop[Any]]]
    count_due: Callable[[Resources], Callable[[tuple[Partition, ...], float], Awaitable[list[int]]]]
    longest_seconds: Callable[[Settings], float]


def grace_seconds(kind: Kind, settings: Settings) -> float:
    """Return the seconds within which a worker ends after SIGTERM, whatever hangs meanwhile.

    What is under way takes as long as its timeout, its record as long as a lease outlives it, and closing the rest.
    """
    return _patience_seconds(kind, settings) + LEASE_MARGIN_SECONDS + _CLOSING_SECONDS


def _patience_seconds(kind: Kind, settings: Settings) -> float:
    return max(LEASE_MARGIN_SECONDS, kind.longest_seconds(settings) + _DRAIN_MARGIN_SECONDS)


class Runtime:
    """A running worker: begun by its event loop, started by arq, drained when it is told to end."""

    def __init__(self, kind: Kind, settings: Settings, queue: SteadyQueue) -> None:
        self.kind = kind
        self.settings = settings
        self.queue = queue
        # arq's protocol of a coroutine names a parameter that a bound method has not.
        tick: Any = self.tick
        self.ticks = cron(
            tick,
            name=f"{kind.name}_tick",
            second=set(range(60)),
            microsecond=0,
            timeout=_LOOK_SECONDS,
            keep_result=_TICK_KEPT_SECONDS,
        )
        self.partitions = all_partitions(settings.partitions)
        self._stack = AsyncExitStack()
        self._resources: Resources | None = None
        self._loop: ClaimLoop[Any] | None = None
        self._opening: asyncio.Task[Refused | None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._drained: asyncio.Task[None] | None = None
        self._outdated = ""
        self._ending = False
        self._started = False
        self._redis: RedisWatch | None = None

    def begin(self) -> "asyncio.Task[Refused | None]":
        """Begin to open everything; the probes answer from the first turn of the event loop."""
        if self._opening is None:
            configure_logging(self.settings.log_level, self.settings.secrets)
            metrics.IDLE.labels(self.kind.name).set_function(lambda: self.progress().idle_seconds)
            loop = asyncio.get_running_loop()
            self._opening, self._asking = loop.create_task(self._open()), loop.create_task(self._ask_queue())
        return self._opening

    async def start(self, _: dict[Any, Any]) -> None:
        """Go on once everything is open, waiting for Redis when it is not there yet."""
        if refused := await asyncio.shield(self.begin()):
            raise SystemExit(f"ringback: {refused.reason}")
        settle_in()
        self.queue.last_sign = time.monotonic()
        self._started = True
        log.info("worker started", extra={"kind": self.kind.name, "partitions": len(self.partitions)})

    def end(self) -> None:
        """Take nothing more, give back what has not begun; arq is told of the signal at the same moment."""
        if not self._ending:
            self._ending = True
            self.queue.give_up_after(_patience_seconds(self.kind, self.settings))
            log.info("worker ends", extra={"kind": self.kind.name})
            self._drain()

    async def stop(self, _: dict[Any, Any]) -> None:
        """Wait until everything that has begun is recorded, and close everything."""
        self._ending = True
        begun = {task for task in (self._opening, self._asking) if task}
        for task in begun:
            task.cancel()
        if begun:
            # What they have failed with has been told.
            await asyncio.gather(*begun, return_exceptions=True)
        if drained := self._drain():
            await drained
        await self._stack.aclose()
        log.info("worker stopped", extra={"kind": self.kind.name})

    async def look(self, _: dict[Any, Any], partition: int) -> None:
        """Work off what falls due in a partition: the job that ticks and doorbells enqueue."""
        if self._loop and 0 <= partition < len(self.partitions):
            try:
                await self._loop.look(self.partitions[partition])
            except StoreUnavailable as error:
                log.warning("nothing claimed, the next tick will", extra={"reason": str(error)})

    async def tick(self, _: dict[Any, Any]) -> None:
        """Make sure that every partition with something due has a job for this second."""
        if self._resources is None:
            return
        try:
            counts = await self.kind.count_due(self._resources)(self.partitions, HORIZON_SECONDS)
        except StoreUnavailable as error:
            log.warning("no tick", extra={"reason": str(error)})
            return
        metrics.DUE.show({(self.kind.name,): sum(counts)})
        second = int(self._resources.ledger.clock.now() + _EARLY_SECONDS)
        await asyncio.gather(
            *(
                self.queue.enqueue_job(
                    self.kind.function,
                    partition.number,
                    _job_id=f"{self.kind.function}:{partition.number}:{second}",
                    _queue_name=self.kind.queue_name,
                    _expires=_LOOK_SECONDS,
                )
                for partition, count in zip(self.partitions, counts, strict=True)
                if count
            ),
        )

    def progress(self) -> Moving | StandingStill:
        """Judge whether this worker gets on. One that starts waits for Redis, and one that ends has a bound."""
        if not self._started or self._ending or self._loop is None or self._redis is None:
            return Moving(0.0)
        main = Sign("the main loop takes no jobs", lambda: time.monotonic() - self.queue.last_sign)
        return judge([main, *self._loop.signs()], self._redis.seconds_ago())

    async def alive(self) -> str:
        """Tell what stands still and would not after a restart, if anything."""
        progress = self.progress()
        return f"{progress.what}, for {progress.idle_seconds:.0f} s" if isinstance(progress, StandingStill) else ""

    async def ready(self) -> str:
        """Tell what keeps this worker from working, if anything."""
        if self._ending or self._outdated:
            return self._outdated or "ending"
        if self._resources is None:
            return "starting"
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._resources.ledger.ping()
        except StoreUnavailable as error:
            return f"waiting for Redis: {error}"
        except TimeoutError:
            return "waiting for Redis: it does not answer in time"
        silence = time.monotonic() - self.queue.last_answer
        if silence > _SILENCE_SECONDS:
            return f"the queue has not answered for {silence:.0f} s"
        return "" if self._started else "starting"

    def _drain(self) -> asyncio.Task[None] | None:
        if self._drained is None and self._loop is not None:
            patience = _patience_seconds(self.kind, self.settings)
            self._drained = asyncio.get_running_loop().create_task(self._loop.drain(patience))
        return self._drained

    async def _open(self) -> Refused | None:
        if self.settings.worker_port:
            probes = await start_probes(self.settings.worker_host, self.settings.worker_port, self.alive, self.ready)
            if probes:
                self._stack.push_async_callback(probes.cleanup)
        resources = self._resources = await self._stack.enter_async_context(
            open_resources(self.settings, self.kind.name)
        )
        await self._stack.enter_async_context(resources.vital_signs.published(self.kind.name))
        if refused := await await_ledger(resources):
            log.critical(refused.reason)
            return refused
        self._loop = await self._stack.enter_async_context(self.kind.open_loop(resources))
        self._redis = RedisWatch(lambda: asyncio.gather(resources.ledger.ping(), resources.queue.ping()))
        watching = asyncio.get_running_loop().create_task(self._redis.run())
        self._stack.callback(watching.cancel)
        looking = asyncio.get_running_loop().create_task(self._until_outdated(resources))
        self._stack.callback(looking.cancel)
        ticking = asyncio.get_running_loop().create_task(keep_ticking([self.ticks]))
        self._stack.callback(ticking.cancel)
        return None

    async def _ask_queue(self) -> None:
        if refused := await ask_queue(self.settings.queue_url):
            log.critical(refused.reason)
            raise SystemExit(f"ringback: {refused.reason}")

    async def _until_outdated(self, resources: Resources) -> None:
        """Leave everything to newer workers once there is something that this one cannot read, but could hold up.

        The process goes on, unready and alive: a new one of the same release would refuse to start.
        """
        newer = await until_newer(resources)
        self._outdated = str(newer)
        log.critical("this worker takes nothing more: %s", newer)
        self.queue.listens = False
        self._drain()


def worker_settings(kind: Kind, settings: Settings) -> dict[str, Any]:
    """Return arq's settings for a worker of this kind."""
    end_well_while_starting()
    # arq takes the loop that is set when it makes its worker.
    loop: TellingLoop = open_telling_loop()
    queue = SteadyQueue(settings.queue_url)
    runtime = Runtime(kind, settings, queue)
    loop.on_end = runtime.end
    loop.call_soon(runtime.begin)
    # Any: as for the ticks.
    look: Any = runtime.look
    return {
        "functions": [func(look, name=kind.function, keep_result=0, timeout=_LOOK_SECONDS)],
        "cron_jobs": [runtime.ticks],
        "queue_name": kind.queue_name,
        "redis_pool": queue,
        "on_startup": runtime.start,
        "on_shutdown": runtime.stop,
        "job_serializer": serialize_job,
        "job_deserializer": deserialize_job,
        "max_jobs": _JOBS_AT_ONCE,
        "poll_delay": _POLL_DELAY_SECONDS,
        # Later than the queue's client gives Redis up: what arq cancels while it writes a job's end, it dies of.
        "job_completion_wait": math.ceil(_patience_seconds(kind, settings)) + 1,
        "keep_result": 0,
        "retry_jobs": False,
        "log_results": False,
    }
