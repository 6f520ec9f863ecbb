"""arq's face: queues, job names, serialiser, and the doorbells.

How it is used. The ledger says what there is to do; an arq job is a doorbell that makes a worker look. A job
names a partition and nothing else, and is written in msgpack, never pickled. A ring that is lost delays work
until the next tick (about a second) and loses nothing, so nobody waits for a ring or fails because of one.
"""

import asyncio
import logging
import uuid
from typing import Any

import msgpack
from arq.connections import ArqRedis
from redis.asyncio.connection import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from app.redis_connections import open_pool

POLL_QUEUE = "ringback:poll"
DELIVER_QUEUE = "ringback:deliver"
POLL_DUE = "poll_due"
DELIVER_DUE = "deliver_due"

# Rings for one partition are at least so far apart; the last one of a burst is always rung.
_SPACING_SECONDS = 0.02
# A doorbell that nobody heard for so long tells nothing that the ticks would not.
_RING_LIFETIME_SECONDS = 60
# With so many jobs waiting no worker is listening, or none is free: more rings would only fill the queue.
_MOST_WAITING = 2000
_POOL_SIZE = 16
_SOCKET_TIMEOUT_SECONDS = 5.0

log = logging.getLogger(__name__)


def serialize_job(job: dict[str, Any]) -> bytes:
    """Write a job, or its outcome, whose exception is reduced to a text."""
    packed: bytes = msgpack.packb(job, default=repr)
    return packed


def deserialize_job(data: bytes) -> dict[str, Any]:
    job: dict[str, Any] = msgpack.unpackb(data)
    return job


def queue_pool(url: str) -> BlockingConnectionPool:
    """Return a connection pool for arq's Redis that waits for a free connection instead of failing."""
    return open_pool(
        url,
        max_connections=_POOL_SIZE,
        timeout=_SOCKET_TIMEOUT_SECONDS,
        socket_timeout=_SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=_SOCKET_TIMEOUT_SECONDS,
        retry=Retry(ExponentialBackoff(), 1),
    )


def open_queue(url: str) -> ArqRedis:
    """Return a client for ringing: its commands fail soon when Redis does not answer."""
    return ArqRedis(queue_pool(url), job_serializer=serialize_job, job_deserializer=deserialize_job)


class Doorbell:
    """Makes a worker look at a partition within tens of milliseconds."""

    def __init__(self, queue: ArqRedis, queue_name: str, function: str) -> None:
        self._queue = queue
        self._queue_name = queue_name
        self._function = function
        self._waiting: set[int] = set()
        self._last_rung: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, partition: int) -> None:
        """Ring for a partition. Returns at once; several rings in short succession become one or two."""
        if partition in self._waiting:
            return
        self._waiting.add(partition)
        task = asyncio.create_task(self._ring_soon(partition))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for the rings under way."""
        await asyncio.gather(*self._tasks)

    async def _ring_soon(self, partition: int) -> None:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self._last_rung.get(partition, 0.0) + _SPACING_SECONDS - now)
        self._last_rung[partition] = asyncio.get_running_loop().time()
        # From here on a further ring is a ring of its own: what it tells of may come after this one is heard.
        self._waiting.discard(partition)
        try:
            if await self._queue.zcard(self._queue_name) < _MOST_WAITING:
                await self._queue.enqueue_job(
                    self._function,
                    partition,
                    _job_id=f"{self._function}:{partition}:{uuid.uuid4().hex}",
                    _queue_name=self._queue_name,
                    _expires=_RING_LIFETIME_SECONDS,
                )
        except (RedisError, OSError) as error:
            log.warning("doorbell not rung, the next tick will do", extra={"error": type(error).__name__})
