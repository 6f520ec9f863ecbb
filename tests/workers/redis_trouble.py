"""What may happen to Redis under the queue's client, and what arq asks of it meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue
from tests.peers import eventually

QUEUE = "ringback:test"
GIVE_UP_SECONDS = 30.0


def transaction(queue: SteadyQueue) -> Any:
    """Return what arq calls; redis-py has no types for it."""
    return queue.pipeline(transaction=True)


def restart(redis: EmbeddedRedis) -> None:
    redis.kill()
    redis.start()


def kill_for_a_while(redis: EmbeddedRedis) -> None:
    """Let more than one trial find nobody there."""
    redis.kill()
    asyncio.get_running_loop().call_later(0.5, redis.start)


async def fails_once(queue: SteadyQueue) -> None:
    """Wait until another command has failed as often as it takes to know that Redis was asked in vain."""

    async def ask() -> None:
        async with asyncio.timeout(0.5):
            await queue.set("probe", "1")

    with pytest.raises(TimeoutError):
        await ask()


def hang(redis: EmbeddedRedis) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)


def go_on(redis: EmbeddedRedis) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGCONT)


@asynccontextmanager
async def without_replicas(redis: EmbeddedRedis) -> AsyncIterator[None]:
    """It refuses writes with NOREPLICAS."""
    async with Redis.from_url(redis.url) as admin:
        await admin.config_set("min-replicas-to-write", "1")
        try:
            yield
        finally:
            await admin.config_set("min-replicas-to-write", "0")


@asynccontextmanager
async def without_disk(redis: EmbeddedRedis) -> AsyncIterator[None]:
    """It refuses writes with MISCONF: its last snapshot could not be written."""
    async with Redis.from_url(redis.url) as admin:
        before = await admin.config_get("dir")
        with TemporaryDirectory() as folder:
            await admin.config_set("dir", folder)
        await admin.config_set("save", "3600 1000000")
        await admin.bgsave()

        async def failed() -> bool:
            return bool((await admin.info("persistence"))["rdb_last_bgsave_status"] != "ok")

        await eventually(failed, "the snapshot has failed")
        try:
            yield
        finally:
            await admin.config_set("dir", before["dir"])
            await admin.config_set("save", "")


@asynccontextmanager
async def with_a_script_that_does_not_end(redis: EmbeddedRedis) -> AsyncIterator[None]:
    """It refuses everything with BUSY."""
    async with Redis.from_url(redis.url) as admin, Redis.from_url(redis.url) as other:
        before = await admin.config_get("lua-time-limit")
        await admin.config_set("lua-time-limit", "10")
        endless = asyncio.ensure_future(other.eval("while true do end", 0))
        while True:
            try:
                await admin.ping()
            except ResponseError:
                break
        try:
            yield
        finally:
            await admin.script_kill()
            with pytest.raises(ResponseError):
                await endless
            await admin.config_set("lua-time-limit", before["lua-time-limit"])


async def by_a_command(queue: SteadyQueue) -> object:
    return await queue.set("key", "value")


async def by_a_pipeline(queue: SteadyQueue) -> object:
    async with transaction(queue) as pipe:
        pipe.set("key", "value")
        return await pipe.execute()


async def by_arq(queue: SteadyQueue) -> object:
    """Enqueue until it is so: a ring that is lost is rung again by the next tick."""
    while not (job := await queue.enqueue_job("look", 1, _job_id="look:1", _queue_name=QUEUE)):
        pass
    return job
