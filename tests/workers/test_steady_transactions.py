"""Arq's transactions outlive their Redis, lost at every point; see app/queue/steady.py."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import hiredis
import pytest
import uvloop
from redis.exceptions import WatchError

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue
from tests.workers.redis_trouble import QUEUE, go_on, hang, kill_for_a_while, restart, transaction


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

    def answer(name: str) -> bytes | None:
        if cut_at and name == cut_at[0]:
            cut_at.pop(0)
            return None
        return replies.get(name, b"+OK\r\n")

    async with _scripted_redis(answer) as url:
        yield url


@asynccontextmanager
async def _scripted_redis(answer: Callable[[str], bytes | None]) -> AsyncIterator[str]:
    """Serve on the wire what `answer` says to a command of that name; None cuts the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(4096):
            commands.feed(data)
            while command := commands.gets():
                reply = answer(command[0].decode())
                if reply is None:
                    writer.transport.abort()
                    return
                writer.write(reply)
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


async def test_a_transaction_that_a_full_redis_refuses_is_a_lost_race_that_is_told_of(
    queue: SteadyQueue, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.zadd(QUEUE, {"job": 5})
    await queue.config_set("maxmemory", "1")
    try:
        exists, score, error = await _start_job(queue, "never", lambda: None)
    finally:
        await queue.config_set("maxmemory", "0")
    assert (exists, score) == (0, 5.0)
    assert isinstance(error, WatchError)
    # A worker that can start no job asks for nothing else, and would be silent.
    assert "waiting for it: OutOfMemoryError" in caplog.text


async def test_a_redis_that_becomes_full_within_a_transaction_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """It takes the commands and refuses the whole: redis-py then tells its code in the middle of a sentence."""
    full = b"OOM command not allowed when used memory > 'maxmemory'."
    refused = b"-EXECABORT Transaction discarded because of: " + full + b"\r\n"
    outcomes = [b"*2\r\n+OK\r\n:1\r\n", refused]
    replies = {"SET": b"+QUEUED\r\n", "ZADD": b"+QUEUED\r\n"}
    async with _scripted_redis(lambda name: outcomes.pop() if name == "EXEC" else replies.get(name, b"+OK\r\n")) as url:
        queue = SteadyQueue(url)
        async with transaction(queue) as pipe:
            pipe.set("key", "value")
            pipe.zadd(QUEUE, {"job": 5})
            assert await pipe.execute() == [True, 1]
        await queue.aclose(close_connection_pool=True)
    assert outcomes == []
    assert "waiting for it: OOM" in caplog.text


@pytest.mark.parametrize("give_up", ["reset", "leave"])
async def test_unwatching_on_a_redis_that_hangs_does_no_harm(
    queue: SteadyQueue, own_redis: EmbeddedRedis, give_up: str
) -> None:
    """It happens in arq's main loop, whenever a job runs elsewhere already."""
    try:
        async with transaction(queue) as pipe:
            await pipe.watch("key")
            hang(own_redis)
            if give_up == "reset":
                await pipe.reset()
    finally:
        go_on(own_redis)
    assert await queue.ping()
