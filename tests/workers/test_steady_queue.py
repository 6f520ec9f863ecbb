"""The queue's client outlives its Redis: every one of arq's commands and transactions, lost at every point."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import hiredis
import pytest
import uvloop
from redis.exceptions import ResponseError, WatchError

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue

QUEUE = "ringback:test"
_GIVE_UP_SECONDS = 30.0


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("redis"), appendfsync="always") as server:
        yield server


@pytest.fixture
async def queue(own_redis: EmbeddedRedis) -> AsyncIterator[SteadyQueue]:
    client = SteadyQueue(own_redis.url)
    # A Redis that hangs is noticed sooner than in production.
    client.connection_pool.connection_kwargs["socket_timeout"] = 0.5
    await client.flushall()
    yield client
    await client.aclose(close_connection_pool=True)


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


async def _start_job(
    queue: SteadyQueue, strike_at: str, strike: Callable[[], None]
) -> tuple[object, object, BaseException | None]:
    """Do what arq does to start a job, and let something strike before the step named `strike_at`."""

    def reached(step: str) -> None:
        if step == strike_at:
            strike()

    async with transaction(queue) as pipe:
        reached("watch")
        await pipe.watch("in-progress")
        reached("exists")
        exists = await pipe.exists("in-progress")
        reached("zscore")
        score = await pipe.zscore(QUEUE, "job")
        pipe.multi()
        pipe.psetex("in-progress", 60_000, b"1")
        reached("execute")
        try:
            await pipe.execute()
        except WatchError as error:
            return exists, score, error
    return exists, score, None


@pytest.mark.parametrize(
    ("strike_at", "strike"),
    [
        ("exists", restart),
        ("zscore", restart),
        ("execute", restart),
        ("exists", kill_for_a_while),
        ("execute", kill_for_a_while),
    ],
)
async def test_a_transaction_that_lost_its_connection_reads_on_and_ends_as_a_lost_race(
    queue: SteadyQueue, own_redis: EmbeddedRedis, strike_at: str, strike: Callable[[EmbeddedRedis], None]
) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    # Several connections that were open before.
    await asyncio.gather(*(queue.ping() for _ in range(3)))

    exists, score, error = await _start_job(queue, strike_at, lambda: strike(own_redis))

    assert (exists, score) == (0, 5.0)
    assert isinstance(error, WatchError)
    assert await queue.exists("in-progress") == 0


@pytest.mark.parametrize("cut_at", [["EXISTS"] * 3, ["WATCH", "EXISTS", "EXISTS", "ZSCORE", "ZSCORE"], ["ZSCORE"] * 3])
async def test_connections_that_are_cut_again_and_again_end_as_one_lost_race(cut_at: list[str]) -> None:
    async with _cutting_redis(cut_at) as url:
        queue = SteadyQueue(url)
        exists, score, error = await _start_job(queue, "never", lambda: None)
        await queue.aclose(close_connection_pool=True)
    assert (exists, score) == (0, 5.0)
    assert isinstance(error, WatchError)
    assert cut_at == []


@asynccontextmanager
async def _cutting_redis(cut_at: list[str]) -> AsyncIterator[str]:
    """Serve so much of Redis as starting a job takes, but cut the connection at the commands named, in this order."""
    replies = {"EXISTS": b":0\r\n", "ZSCORE": b"$1\r\n5\r\n"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(4096):
            commands.feed(data)
            while command := commands.gets():
                name = command[0].decode()
                if cut_at and name == cut_at[0]:
                    cut_at.pop(0)
                    writer.transport.abort()
                    return
                writer.write(replies.get(name, b"+OK\r\n"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


def test_a_connection_that_uvloop_has_closed_is_a_lost_one(own_redis: EmbeddedRedis) -> None:
    """Writing to it is a RuntimeError there, which would end the worker."""

    async def scenario() -> tuple[object, object, BaseException | None]:
        queue = SteadyQueue(own_redis.url)
        await queue.flushall()
        await queue.zadd(QUEUE, {"job": 5})
        try:
            return await _start_job(queue, "exists", lambda: _abort_watching(queue))
        finally:
            await queue.aclose(close_connection_pool=True)

    exists, score, error = uvloop.run(scenario())
    assert (exists, score) == (0, 5.0)
    assert isinstance(error, WatchError)


def _abort_watching(queue: SteadyQueue) -> None:
    connection: Any
    (connection,) = queue.connection_pool._in_use_connections
    connection._writer.transport.abort()


@pytest.mark.parametrize("strike", [restart, kill_for_a_while])
async def test_a_transaction_that_has_watched_nothing_yet_survives(
    queue: SteadyQueue, own_redis: EmbeddedRedis, strike: Callable[[EmbeddedRedis], None]
) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    # A connection that was open before Redis went away.
    await queue.ping()

    outcome = await _start_job(queue, "watch", lambda: strike(own_redis))

    assert outcome == (0, 5.0, None)
    assert await queue.exists("in-progress") == 1


async def test_the_same_pipeline_can_be_used_again_after_a_loss(queue: SteadyQueue, own_redis: EmbeddedRedis) -> None:
    async with transaction(queue) as pipe:
        await pipe.watch("key")
        restart(own_redis)
        await pipe.get("key")
        pipe.multi()
        pipe.set("key", "lost")
        with pytest.raises(WatchError):
            await pipe.execute()

        await pipe.watch("key")
        pipe.multi()
        pipe.set("key", "won")
        assert await pipe.execute() == [True]

    assert await queue.get("key") == b"won"


async def test_a_race_that_was_really_lost_is_still_told(queue: SteadyQueue) -> None:
    async with transaction(queue) as pipe:
        await pipe.watch("in-progress")
        await queue.set("in-progress", b"2")
        pipe.multi()
        pipe.set("in-progress", b"1")
        with pytest.raises(WatchError):
            await pipe.execute()


async def test_a_pipeline_without_watch_is_sent_again_until_it_works(
    queue: SteadyQueue, own_redis: EmbeddedRedis
) -> None:
    await queue.ping()
    own_redis.kill()
    async with transaction(queue) as pipe:
        pipe.set("key", "value")
        pipe.incr("count")
        waiting = asyncio.ensure_future(pipe.execute())
        await _fails_once(queue)
        assert not waiting.done()
        own_redis.start()
        assert await asyncio.wait_for(waiting, _GIVE_UP_SECONDS) == [True, 1]


async def test_a_command_waits_for_redis(queue: SteadyQueue, own_redis: EmbeddedRedis) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    own_redis.kill()
    waiting = asyncio.ensure_future(queue.zcard(QUEUE))
    await _fails_once(queue)
    assert not waiting.done()
    away_at = time.monotonic()
    own_redis.start()
    assert await asyncio.wait_for(waiting, _GIVE_UP_SECONDS) == 1
    assert queue.last_answer > away_at


async def test_jobs_are_enqueued_through_a_restart(queue: SteadyQueue, own_redis: EmbeddedRedis) -> None:
    own_redis.kill()
    enqueuing = [
        asyncio.ensure_future(queue.enqueue_job("look", number, _job_id=f"look:{number}", _queue_name=QUEUE))
        for number in range(20)
    ]
    await _fails_once(queue)
    own_redis.start()
    await asyncio.wait_for(asyncio.gather(*enqueuing), _GIVE_UP_SECONDS)
    assert await queue.zcard(QUEUE) == 20


async def test_a_full_redis_is_waited_for(queue: SteadyQueue) -> None:
    await queue.config_set("maxmemory", "1")
    try:
        waiting = asyncio.ensure_future(queue.set("key", "value"))
        await _fails_once(queue)
        assert not waiting.done()
    finally:
        await queue.config_set("maxmemory", "0")
    assert await asyncio.wait_for(waiting, _GIVE_UP_SECONDS) is True


async def test_a_transaction_that_a_full_redis_refuses_is_a_lost_race(queue: SteadyQueue) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    await queue.config_set("maxmemory", "1")
    try:
        exists, score, error = await _start_job(queue, "never", lambda: None)
    finally:
        await queue.config_set("maxmemory", "0")
    assert (exists, score) == (0, 5.0)
    assert isinstance(error, WatchError)


async def test_an_error_of_our_own_making_is_raised(queue: SteadyQueue) -> None:
    await queue.set("key", "value")
    with pytest.raises(ResponseError):
        await queue.zcard("key")
    async with transaction(queue) as pipe:
        pipe.zcard("key")
        with pytest.raises(ResponseError):
            await pipe.execute()


@pytest.mark.parametrize("give_up", ["reset", "leave"])
async def test_unwatching_on_a_redis_that_hangs_does_no_harm(
    queue: SteadyQueue, own_redis: EmbeddedRedis, give_up: str
) -> None:
    """It happens in arq's main loop, whenever a job runs elsewhere already."""
    try:
        async with transaction(queue) as pipe:
            await pipe.watch("key")
            _hang(own_redis)
            if give_up == "reset":
                await pipe.reset()
    finally:
        _go_on(own_redis)
    assert await queue.ping()


@pytest.mark.parametrize("away", ["dead", "hung"])
async def test_the_last_command_of_a_worker_does_not_wait_for_redis(
    queue: SteadyQueue, own_redis: EmbeddedRedis, away: str
) -> None:
    """What arq deletes when it shuts down is its health check: SIGTERM must end it well, Redis or not."""
    if away == "dead":
        own_redis.kill()
    else:
        _hang(own_redis)
    try:
        assert await asyncio.wait_for(queue.delete("health-check"), _GIVE_UP_SECONDS) == 0
    finally:
        if away == "dead":
            own_redis.start()
        else:
            _go_on(own_redis)


async def _fails_once(queue: SteadyQueue) -> None:
    """Wait until another command has failed as often as it takes to know that Redis was asked in vain."""

    async def ask() -> None:
        async with asyncio.timeout(0.5):
            await queue.set("probe", "1")

    with pytest.raises(TimeoutError):
        await ask()


def _hang(redis: EmbeddedRedis) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)


def _go_on(redis: EmbeddedRedis) -> None:
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGCONT)
