"""The vital signs of the whole installation, read every few seconds and shown as metrics by each process.

Every process shows them, the API too: what lags is seen when no worker lives, and one process that cannot reach Redis
hides nothing. What could not be read is not shown (`app.telemetry.fading`): `ringback_redis_up` says then why. The
pauses are random, so that fifty processes do not ask at once, whatever has started them together.
"""

import asyncio
import logging
import platform
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from typing import Generic, TypeVar

from app.domain.errors import RingbackError
from app.queue import QueueSigns, QueueVitalSigns
from app.redis.health import RedisHealth
from app.service.beside import beside
from app.store.connection import Ledger
from app.store.vital_signs import LedgerSigns, VitalSigns
from app.telemetry import metrics

Signs = TypeVar("Signs")

# Between two readings, as shares of how often they are wanted.
_SHORTEST, _LONGEST = 0.5, 1.5
# What one reading may take of each Redis: a try that fails at once is repeated for 0.7 s by the connection.
_PATIENCE_SECONDS = 3.0

log = logging.getLogger(__name__)


class Untold(Enum):
    """Why there are no signs: Redis does not answer at all, or not to these questions."""

    AWAY = "away"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class _OfLedger:
    health: RedisHealth
    signs: LedgerSigns


class VitalSignsService:
    def __init__(self, ledger: Ledger, signs: VitalSigns, queue: QueueVitalSigns, every_seconds: float) -> None:
        """They are read about every so many seconds; 0 is never."""
        self._every_seconds = every_seconds
        self._ledger = _Patient("ledger", ledger.ping, self._read_ledger)
        self._queue = _Patient("queue", queue.ping, queue.read)
        self._health = ledger.health
        self._signs = signs
        # Spreads out who asks; nothing that must not be guessed.
        self._random = random.Random()  # noqa: S311

    @asynccontextmanager
    async def published(self, role: str) -> AsyncIterator[None]:
        """Say which role this process has, and show the vital signs: at once, and again and again until the end."""
        metrics.BUILD_INFO.labels(version("ringback"), platform.python_version(), role).set(1)
        if not self._every_seconds:
            yield
            return
        async with beside(self._publish_for_ever()):
            yield

    async def publish(self) -> None:
        """Read them once and show them; takes a few seconds at most, and raises nothing for a Redis that is away."""
        ledger, queue = await asyncio.gather(self._ledger.ask(), self._queue.ask())
        metrics.REDIS_UP.show(
            {("ledger",): ledger is not Untold.AWAY, ("queue",): queue is not Untold.AWAY},
        )
        _show_ledger(None if isinstance(ledger, Untold) else ledger.signs)
        _show_queue(None if isinstance(queue, Untold) else queue)
        _show_health(
            {
                **({} if isinstance(ledger, Untold) else {"ledger": ledger.health}),
                **({} if isinstance(queue, Untold) else {"queue": queue.health}),
            }
        )

    async def _read_ledger(self) -> _OfLedger:
        return _OfLedger(await self._health(), await self._signs.read())

    async def _publish_for_ever(self) -> None:
        while True:
            try:
                await self.publish()
            except Exception:
                # Whatever it was: what is shown fades, and the next reading may do better.
                log.exception("the vital signs could not be shown")
            await asyncio.sleep(self._every_seconds * self._random.uniform(_SHORTEST, _LONGEST))


class _Patient(Generic[Signs]):
    """A Redis that is asked how it is, by the name that metrics have for it."""

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]], read: Callable[[], Awaitable[Signs]]) -> None:
        self._name = name
        self._ping = ping
        self._read = read
        self._round_trip = metrics.ROUND_TRIP.labels(name)
        self._refused = False

    async def ask(self) -> Signs | Untold:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                began = time.perf_counter()
                await self._ping()
                self._round_trip.observe(time.perf_counter() - began)
                return await self._read_or_say()
        except (RingbackError, TimeoutError):
            # Whoever works with this Redis says so in the log.
            return Untold.AWAY

    async def _read_or_say(self) -> Signs | Untold:
        try:
            signs = await self._read()
        except RingbackError as error:
            if not self._refused:
                log.warning("vital signs cannot be read", extra={"redis": self._name, "reason": str(error)})
            self._refused = True
            return Untold.REFUSED
        self._refused = False
        return signs


def _show_ledger(signs: LedgerSigns | None) -> None:
    if signs is None:
        for one in (metrics.LAG, metrics.LIVE_CALLS, metrics.DESTINATIONS):
            one.forget()
        return
    metrics.LAG.show({("poll",): signs.poll_lag, ("deliver",): signs.deliver_lag})
    metrics.LIVE_CALLS.show({(phase.name.lower(),): calls for phase, calls in signs.live_calls.items()})
    metrics.DESTINATIONS.show({("open",): signs.open_destinations, ("failing",): signs.failing_destinations})


def _show_queue(signs: QueueSigns | None) -> None:
    metrics.QUEUE_DEPTH.show({(kind,): depth for kind, depth in signs.depths.items()} if signs else {})


def _show_health(told: dict[str, RedisHealth]) -> None:
    metrics.REDIS_MEMORY.show({(name,): one.memory_bytes for name, one in told.items()})
    metrics.REDIS_MEMORY_LIMIT.show({(name,): one.memory_limit_bytes for name, one in told.items()})
    metrics.REDIS_EVICTED.show({(name,): one.evicted_keys for name, one in told.items()})
    # Of the queue nothing can be lost that the next tick does not ring for.
    unsafe: dict[tuple[str, ...], float] = {}
    if ledger := told.get("ledger"):
        unsafe = {("ledger", "may_evict"): ledger.may_evict, ("ledger", "no_persistence"): ledger.unpersisted}
    metrics.REDIS_UNSAFE.show(unsafe)
