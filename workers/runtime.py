"""What both kinds of worker share: the arq settings, start-up, the ticks, the probes and the drain."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import uvloop
from arq import cron, func

from app.process import settle_in
from app.queue import SteadyQueue, deserialize_job, serialize_job
from app.resources import Resources, open_resources
from app.settings import Settings
from app.store.connection import StoreUnavailable, WrongPartitions
from app.store.keys import Partition, all_partitions
from app.telemetry import metrics
from app.telemetry.log import configure_logging
from workers.claims import HORIZON_SECONDS, ClaimLoop
from workers.probes import start_probes

# How soon a doorbell is heard. Each look into the queue costs a third of a millisecond.
_POLL_DELAY_SECONDS = 0.01
_JOBS_AT_ONCE = 100
# Longer than a look waits for room.
_LOOK_SECONDS = 30
# A turn of the main loop takes milliseconds, and at most the socket's time-out where Redis hangs.
_STANDSTILL_SECONDS = 20.0
_SILENCE_SECONDS = 5.0
_RETRY_SECONDS = 0.5

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


class Runtime:
    """A running worker: made when arq starts up, drained when it shuts down."""

    def __init__(self, kind: Kind, settings: Settings, queue: SteadyQueue) -> None:
        self.kind = kind
        self.settings = settings
        self.queue = queue
        self.partitions = all_partitions(settings.partitions)
        self._stack = AsyncExitStack()
        self._resources: Resources | None = None
        self._loop: ClaimLoop[Any] | None = None

    async def start(self, _: dict[Any, Any]) -> None:
        """Open everything, waiting for Redis when it is not there yet."""
        configure_logging(self.settings.log_level)
        if self.settings.worker_port:
            probes = await start_probes(self.settings.worker_host, self.settings.worker_port, self.alive, self.ready)
            if probes:
                self._stack.push_async_callback(probes.cleanup)
        resources = await self._stack.enter_async_context(open_resources(self.settings))
        await self._stack.enter_async_context(resources.vital_signs.published(self.kind.name))
        await self._await_ledger(resources)
        self._resources = resources
        self._loop = await self._stack.enter_async_context(self.kind.open_loop(resources))
        settle_in()
        log.info("worker started", extra={"kind": self.kind.name, "partitions": len(self.partitions)})

    async def stop(self, _: dict[Any, Any]) -> None:
        """Give back what has not begun, wait for what has, close everything."""
        if self._loop:
            await self._loop.drain(self.kind.longest_seconds(self.settings) + 1)
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
        second = int(self._resources.ledger.clock.now())
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

    async def alive(self) -> str:
        """Tell what is wrong with the main loop's progress, if anything."""
        silence = time.monotonic() - self.queue.last_sign
        return f"the main loop has stood still for {silence:.0f} s" if silence > _STANDSTILL_SECONDS else ""

    async def ready(self) -> str:
        """Tell what keeps this worker from working, if anything."""
        if self._resources is None or self._loop is None:
            return "starting"
        try:
            await self._resources.ledger.ping()
        except StoreUnavailable as error:
            return str(error)
        silence = time.monotonic() - self.queue.last_answer
        return f"the queue has not answered for {silence:.0f} s" if silence > _SILENCE_SECONDS else ""

    async def _await_ledger(self, resources: Resources) -> None:
        while True:
            try:
                await resources.ledger.ping()
                await resources.ledger.check_partitions(self.settings.partitions)
                for warning in await resources.ledger.durability_warnings():
                    log.warning(warning)
            except StoreUnavailable as error:
                log.warning("waiting for Redis", extra={"reason": str(error)})
                self.queue.last_sign = time.monotonic()
                await asyncio.sleep(_RETRY_SECONDS)
            except WrongPartitions as error:
                raise SystemExit(f"ringback: {error}") from None
            else:
                return


def worker_settings(kind: Kind, settings: Settings) -> dict[str, Any]:
    """Return arq's settings for a worker of this kind."""
    # arq takes the loop that is set when it makes its worker.
    asyncio.set_event_loop(uvloop.new_event_loop())
    queue = SteadyQueue(settings.queue_url)
    runtime = Runtime(kind, settings, queue)
    # Any: arq's protocol of a coroutine names a parameter that a bound method has not.
    look: Any = runtime.look
    tick: Any = runtime.tick
    every_second = set(range(60))
    return {
        "functions": [func(look, name=kind.function, keep_result=0, timeout=_LOOK_SECONDS)],
        "cron_jobs": [cron(tick, name=f"{kind.name}_tick", second=every_second, microsecond=0, timeout=_LOOK_SECONDS)],
        "queue_name": kind.queue_name,
        "redis_pool": queue,
        "on_startup": runtime.start,
        "on_shutdown": runtime.stop,
        "job_serializer": serialize_job,
        "job_deserializer": deserialize_job,
        "max_jobs": _JOBS_AT_ONCE,
        "poll_delay": _POLL_DELAY_SECONDS,
        "job_completion_wait": math.ceil(kind.longest_seconds(settings)),
        "keep_result": 0,
        "retry_jobs": False,
        "log_results": False,
    }
