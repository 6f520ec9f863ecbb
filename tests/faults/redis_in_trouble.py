"""Redis that ends, stands still, is slow, or loses connections; and what is lost of the queue."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.dev.embedded_redis import HOST
from app.queue.doorbell import DELIVER_QUEUE, POLL_QUEUE
from tests.faults.breaking_redis import administrator, meanwhile, must_fail, set_to, without_writes
from tests.faults.effect import something
from tests.faults.fault import Fault
from tests.faults.stage import Stage
from tests.peers import eventually
from tests.workers.redis_trouble import go_on, hang

# Longer than a lease: a request's timeout, and the five seconds that a record may take.
_STANDSTILL_SECONDS = 12.0
# Longer than a client of Redis waits for an answer.
_PAUSE_SECONDS = 8.0
# More than one turn of what is done once a second.
_EVERYSEC_SECONDS = 1.5
_KILLS = 5
_DELAY_SECONDS = 0.15


@asynccontextmanager
async def _down(stage: Stage) -> AsyncIterator[None]:
    stage.redis.kill()
    try:
        yield
        await must_fail(stage, RedisConnectionError)
    finally:
        stage.redis.start()


@asynccontextmanager
async def _killed(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    async with _down(stage):
        yield


@asynccontextmanager
async def _killed_with_everysec(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """What was answered is with the kernel, which outlives Redis.

    But for what waits behind an fsync under way: that is let through first. Started again, Redis has the setting of its
    command line.
    """
    async with AsyncExitStack() as broken:
        async with set_to(stage, appendfsync="everysec"):
            await asyncio.sleep(_EVERYSEC_SECONDS)
            async with without_writes(stage) as admin:
                await eventually(lambda: _has_written_all(admin), "the append-only file has everything")
                await broken.enter_async_context(_down(stage))
        yield


async def _has_written_all(admin: Any) -> bool:
    told = await admin.info("persistence")
    return not (told["aof_buffer_length"] or told["aof_pending_bio_fsync"])


@asynccontextmanager
async def _killed_in_a_row(stage: Stage, chance: Random) -> AsyncIterator[None]:
    survived = 0

    async def kill() -> None:
        nonlocal survived
        for _ in range(_KILLS):
            stage.redis.kill()
            await asyncio.sleep(chance.uniform(0, 0.8))
            stage.redis.start()
            survived += 1
            await asyncio.sleep(chance.uniform(0, 0.8))

    try:
        async with meanwhile(kill()):
            yield
    finally:
        if stage.redis.pid is None:
            stage.redis.start()
    something(survived > 1, "Redis was not killed twice")


@asynccontextmanager
async def _stopped(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    hang(stage.redis)
    try:
        yield
        await must_fail(stage, RedisTimeoutError)
    finally:
        go_on(stage.redis)


@asynccontextmanager
async def _paused(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """Nobody can end it before its time: who would is paused too."""
    async with administrator(stage) as admin:
        await admin.execute_command("CLIENT", "PAUSE", round((_PAUSE_SECONDS + 3) * 1000))
        try:
            yield
            await must_fail(stage, RedisTimeoutError)
        finally:
            await admin.ping()


@asynccontextmanager
async def _stammering(stage: Stage, chance: Random) -> AsyncIterator[None]:
    """As under commands that take long: each time less than what makes a client lose its patience."""
    longest = 0.0

    async def stammer(admin: Any) -> None:
        nonlocal longest
        while True:
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            began = time.monotonic()
            await admin.execute_command("DEBUG", "SLEEP", f"{chance.uniform(0.5, 2):.2f}")
            longest = max(longest, time.monotonic() - began)

    async with administrator(stage) as admin, meanwhile(stammer(admin)):
        yield
    something(longest > 0.4, "Redis has always answered soon")


@asynccontextmanager
async def _slow(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    for one in stage.members:
        one.to_redis.slow_down(_DELAY_SECONDS)
    try:
        yield
        began = time.monotonic()
        await _greet(stage)
        something(time.monotonic() - began > 2 * _DELAY_SECONDS, "Redis has answered at once")
    finally:
        for one in stage.members:
            one.to_redis.mend()


async def _greet(stage: Stage) -> None:
    reader, writer = await asyncio.open_connection(HOST, stage.members[0].to_redis.port)
    writer.write(b"PING\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def _cut(stage: Stage, chance: Random) -> AsyncIterator[None]:
    cut = 0

    async def cut_all(admin: Any) -> None:
        nonlocal cut
        while True:
            cut += await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(chance.uniform(0.05, 0.6))

    async with administrator(stage) as admin, meanwhile(cut_all(admin)):
        yield
    something(cut > len(stage.members), "hardly a connection was cut")


@asynccontextmanager
async def _crowded(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """No connection is left, and none is to be had, as where others have taken them all."""
    async with set_to(stage, maxclients=1) as admin:
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield
        await must_fail(stage, RedisConnectionError)


@asynccontextmanager
async def _forgetful(stage: Stage, chance: Random) -> AsyncIterator[None]:
    """What arq keeps is deleted, over and over: doorbells, ticks, jobs under way."""
    deleted = 0

    async def delete(admin: Any) -> None:
        nonlocal deleted
        while True:
            names = [name async for name in admin.scan_iter(match="arq:*", count=1000)]
            deleted += await admin.delete(POLL_QUEUE, DELIVER_QUEUE, *names)
            await asyncio.sleep(chance.uniform(0, 0.2))

    async with administrator(stage) as admin, meanwhile(delete(admin)):
        yield
    something(deleted, "there was nothing of arq's to delete")


@asynccontextmanager
async def _without_scripts(stage: Stage, chance: Random) -> AsyncIterator[None]:
    async def flush(admin: Any) -> None:
        while True:
            await admin.script_flush()
            await asyncio.sleep(chance.uniform(0, 0.1))

    async with administrator(stage) as admin:
        before = await _unknown_scripts(admin)
        async with meanwhile(flush(admin)):
            yield
        something(await _unknown_scripts(admin) > before, "every script was known")


async def _unknown_scripts(admin: Any) -> int:
    told = await admin.info("errorstats")
    return int(told.get("errorstat_NOSCRIPT", {"count": 0})["count"])


FAULTS = (
    Fault("Redis is killed and starts again seconds later", "redis", _killed, 4),
    Fault("Redis is killed while its file is synced every second", "redis", _killed_with_everysec, 4),
    Fault("Redis is killed again and again", "redis", _killed_in_a_row, 8),
    Fault("Redis stands still for longer than a lease", "redis", _stopped, _STANDSTILL_SECONDS),
    Fault("Redis lets all its clients wait", "redis", _paused, _PAUSE_SECONDS),
    Fault("Redis answers after seconds again and again", "redis", _stammering, 8),
    Fault("the way to Redis takes 150 ms", "network", _slow, 8),
    Fault("connections to Redis are cut again and again", "redis", _cut, 6),
    Fault("Redis takes no more connections", "redis", _crowded, 6),
    Fault("what arq keeps is deleted again and again", "redis", _forgetful, 6),
    Fault("Redis forgets its scripts again and again", "redis", _without_scripts, 5),
)
