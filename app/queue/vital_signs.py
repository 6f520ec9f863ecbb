"""How arq's queues are doing, and their Redis."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from app.domain.errors import RingbackError
from app.queue.doorbell import DELIVER_QUEUE, POLL_QUEUE
from app.redis.health import RedisHealth, health_of

_QUEUES = {"poll": POLL_QUEUE, "deliver": DELIVER_QUEUE}


class QueueUnavailable(RingbackError):
    """The queue's Redis does not answer, or not as it should."""


@dataclass(frozen=True, slots=True)
class QueueSigns:
    """What the queue's Redis shows. `depths` counts the jobs that wait or run, by kind of worker."""

    health: RedisHealth
    depths: Mapping[str, int]


class QueueVitalSigns:
    def __init__(self, queue: ArqRedis) -> None:
        self._queue = queue

    async def ping(self) -> None:
        """Ask whether the queue's Redis answers; raises `QueueUnavailable`."""
        async with _translated_errors():
            await self._queue.ping()

    async def read(self) -> QueueSigns:
        """Ask for all of it in one round trip; raises `QueueUnavailable`."""
        async with _translated_errors():
            pipe = self._queue.pipeline(transaction=False)
            pipe.info()
            for name in _QUEUES.values():
                pipe.zcard(name)
            info, *depths = await pipe.execute()
        return QueueSigns(health_of([info]), dict(zip(_QUEUES, depths, strict=True)))


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"The queue's Redis does not answer as it should ({type(error).__name__}).") from error
