"""The commands of the queue's client outlive its Redis; see app/queue/steady.py."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from arq.constants import job_key_prefix
from arq.utils import timestamp_ms
from redis.exceptions import ResponseError

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue
from tests.workers.redis_trouble import (
    GIVE_UP_SECONDS,
    QUEUE,
    by_a_command,
    by_a_pipeline,
    by_arq,
    fails_once,
    go_on,
    hang,
    transaction,
    with_a_script_that_does_not_end,
    without_disk,
    without_replicas,
)


async def test_a_pipeline_without_watch_is_sent_again_until_it_works(
    queue: SteadyQueue, own_redis: EmbeddedRedis
) -> None:
    await queue.ping()
    own_redis.kill()
    async with transaction(queue) as pipe:
        pipe.set("key", "value")
        pipe.incr("count")
        waiting = asyncio.ensure_future(pipe.execute())
        await fails_once(queue)
        assert not waiting.done()
        own_redis.start()
        assert await asyncio.wait_for(waiting, GIVE_UP_SECONDS) == [True, 1]


async def test_a_command_waits_for_redis(queue: SteadyQueue, own_redis: EmbeddedRedis) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    own_redis.kill()
    waiting = asyncio.ensure_future(queue.zcard(QUEUE))
    await fails_once(queue)
    assert not waiting.done()
    away_at = time.monotonic()
    own_redis.start()
    assert await asyncio.wait_for(waiting, GIVE_UP_SECONDS) == 1
    assert queue.last_answer > away_at


async def test_jobs_are_enqueued_through_a_restart(queue: SteadyQueue, own_redis: EmbeddedRedis) -> None:
    own_redis.kill()
    enqueuing = [
        asyncio.ensure_future(queue.enqueue_job("look", number, _job_id=f"look:{number}", _queue_name=QUEUE))
        for number in range(20)
    ]
    await fails_once(queue)
    own_redis.start()
    await asyncio.wait_for(asyncio.gather(*enqueuing), GIVE_UP_SECONDS)
    assert await queue.zcard(QUEUE) == 20


async def test_a_full_redis_is_waited_for(queue: SteadyQueue) -> None:
    await queue.config_set("maxmemory", "1")
    try:
        waiting = asyncio.ensure_future(queue.set("key", "value"))
        await fails_once(queue)
        assert not waiting.done()
    finally:
        await queue.config_set("maxmemory", "0")
    assert await asyncio.wait_for(waiting, GIVE_UP_SECONDS) is True


@pytest.mark.parametrize("trouble", [without_replicas, without_disk, with_a_script_that_does_not_end])
@pytest.mark.parametrize("asked", [by_a_command, by_a_pipeline, by_arq])
async def test_a_redis_that_refuses_for_a_while_is_waited_for(
    queue: SteadyQueue,
    own_redis: EmbeddedRedis,
    trouble: Callable[[EmbeddedRedis], AbstractAsyncContextManager[None]],
    asked: Callable[[SteadyQueue], Awaitable[object]],
) -> None:
    """Each tells it in another place: redis-py puts words of its own before what Redis said to a pipeline."""
    async with trouble(own_redis):
        waiting = asyncio.ensure_future(asked(queue))
        await fails_once(queue)
        assert not waiting.done()
    assert await asyncio.wait_for(waiting, GIVE_UP_SECONDS)


async def test_an_error_of_our_own_making_is_raised(queue: SteadyQueue) -> None:
    await queue.set("key", "value")
    with pytest.raises(ResponseError):
        await queue.zcard("key")
    async with transaction(queue) as pipe:
        pipe.zcard("key")
        with pytest.raises(ResponseError):
            await pipe.execute()


@pytest.mark.parametrize("away", ["dead", "hung"])
async def test_the_last_command_of_a_worker_does_not_wait_for_redis(
    queue: SteadyQueue, own_redis: EmbeddedRedis, away: str
) -> None:
    """What arq deletes when it shuts down is its health check: SIGTERM must end it well, Redis or not."""
    if away == "dead":
        own_redis.kill()
    else:
        hang(own_redis)
    try:
        assert await asyncio.wait_for(queue.delete("health-check"), GIVE_UP_SECONDS) == 0
    finally:
        if away == "dead":
            own_redis.start()
        else:
            go_on(own_redis)


async def test_what_waits_for_redis_is_given_up_when_the_worker_ends(
    queue: SteadyQueue, own_redis: EmbeddedRedis
) -> None:
    """What arq writes behind a job would else wait for ever, and the end of the worker with it."""
    await queue.ping()
    hang(own_redis)
    try:
        async with transaction(queue) as pipe:
            pipe.set("key", "value")
            pipe.incr("count")
            waiting = asyncio.ensure_future(pipe.execute())
            await fails_once(queue)
            assert not waiting.done()
            queue.give_up_after(0.1)
            assert await asyncio.wait_for(waiting, GIVE_UP_SECONDS) == [None, None]
            assert await asyncio.wait_for(queue.zcard(QUEUE), GIVE_UP_SECONDS) is None
    finally:
        go_on(own_redis)


@pytest.mark.parametrize("options", [{}, {"_defer_until": datetime.now(UTC)}, {"_expires": 30}])
async def test_a_job_is_heard_by_a_worker_whose_clock_is_behind(queue: SteadyQueue, options: dict[str, Any]) -> None:
    """Workers look for what is due by their machine's clock; arq defers its ticks until their moment."""
    await queue.enqueue_job("tick", _job_id="job", _queue_name=QUEUE, **options)
    ten_hours_behind = timestamp_ms() - 36_000_000
    assert await queue.zrangebyscore(QUEUE, "-inf", ten_hours_behind) == [b"job"]
    assert 0 < await queue.pttl(job_key_prefix + "job") <= 60_000
