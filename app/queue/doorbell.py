"""arq's face: queues, job names, serialiser, and the doorbells.

How it is used. The ledger says what there is to do; an arq job is a doorbell that makes a worker look. A job
names a partition and nothing else, and is written in msgpack, never pickled. A ring that is lost delays work
until the next tick (about a second) and loses nothing, so nobody waits for a ring or fails because of one.
"""

import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job as serialize_arq_job
from arq.utils import timestamp_ms, to_unix_ms
from redis.asyncio.connection import BlockingConnectionPool
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from app.queue.ringer import Ringer
from app.redis.connections import open_pool
from app.redis.refusals import RetryUnlessRefused, refusal_of

POLL_QUEUE = "ringback:poll"
DELIVER_QUEUE = "ringback:deliver"
POLL_DUE = "poll_due"
DELIVER_DUE = "deliver_due"

# What arq's `enqueue_job` writes, for several jobs in one round trip; it takes four for each. Their ids are their own,
# so there is nothing to be compared.
#
# KEYS  1 queue
# ARGV  1 prefix of a job's key  2 since when it is due, ms  3 lifetime of a job, ms  4 most that may wait
#       then for each job: id, job
_RING = """
local room = ARGV[4] - redis.call('ZCARD', KEYS[1])
for at = 5, #ARGV, 2 do
  if room > 0 then
    redis.call('PSETEX', ARGV[1] .. ARGV[at], ARGV[3], ARGV[at + 1])
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[at])
    room = room - 1
  end
end
"""

# A worker hears what is due by its own machine's clock. All jobs are to be heard at once by everybody, so they are
# written as if they were a day old, and stay in their order.
_AS_IF_OLD = timedelta(days=1)
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


def queue_pool(url: str, socket_seconds: float = _SOCKET_TIMEOUT_SECONDS) -> BlockingConnectionPool:
    """Return a connection pool for arq's Redis that waits for a free connection instead of failing."""
    return open_pool(
        url,
        max_connections=_POOL_SIZE,
        timeout=socket_seconds,
        socket_timeout=socket_seconds,
        socket_connect_timeout=socket_seconds,
        retry=RetryUnlessRefused(ExponentialBackoff(), 1),
    )


def open_queue(url: str) -> ArqRedis:
    """Return a client for ringing: its commands fail soon when Redis does not answer."""
    return ArqRedis(queue_pool(url), job_serializer=serialize_job, job_deserializer=deserialize_job)


def heard_by_all() -> datetime:
    """Return until when a job is to be deferred that every worker hears at once, whatever its machine's clock says."""
    return datetime.now(UTC) - _AS_IF_OLD


async def refusal_of_queue(url: str) -> str:
    """Ask once; returns why arq's Redis will never answer to these settings, in a sentence, or nothing."""
    queue = open_queue(url)
    try:
        await queue.ping()
    except (RedisError, OSError) as error:
        return refusal_of(error)
    finally:
        await queue.aclose(close_connection_pool=True)
    return ""


class Doorbell(Ringer):
    """Makes a worker look at a partition within tens of milliseconds."""

    def __init__(self, queue: ArqRedis, queue_name: str, function: str) -> None:
        super().__init__()
        self._queue = queue
        self._queue_name = queue_name
        self._function = function

    async def _ring_for(self, partitions: Sequence[int]) -> None:
        now_ms = timestamp_ms()
        jobs = []
        for partition in partitions:
            job_id = f"{self._function}:{partition}:{os.urandom(16).hex()}"
            written = serialize_arq_job(self._function, (partition,), {}, None, now_ms, serializer=serialize_job)
            jobs += [job_id, written]
        due_ms = to_unix_ms(heard_by_all())
        arguments = [job_key_prefix, due_ms, round(_RING_LIFETIME_SECONDS * 1000), _MOST_WAITING, *jobs]
        try:
            await self._queue.execute_command("EVAL", _RING, 1, self._queue_name, *arguments)
        except (RedisError, OSError) as error:
            log.warning("doorbell not rung, the next tick will do", extra={"error": type(error).__name__})
