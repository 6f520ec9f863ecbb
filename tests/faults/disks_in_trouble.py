"""The disk under Redis' append-only file is full: the file may not grow, which needs no disk of its own.

A kernel refuses what would go beyond a process's limit (RLIMIT_FSIZE) with EFBIG, after what fits, where a full disk
refuses with ENOSPC; Redis treats both alike. What it has written in part, it cuts off again.
"""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from redis.exceptions import ResponseError

from app.dev.embedded_redis import EmbeddedRedis
from tests.faults.breaking_redis import administrator, meanwhile, must_fail
from tests.faults.effect import something
from tests.faults.fault import Fault
from tests.faults.stage import Stage
from tests.peers import eventually

# As much of a command as fits is written before the rest is refused.
_ROOM_BYTES = 100
_RESTART_SECONDS = 0.5
_LAST_WORDS = "Can't recover from AOF write error"


def _fill_disk(redis: EmbeddedRedis, room: int = _ROOM_BYTES) -> None:
    """Let the append-only file grow by so many bytes and no more."""
    size = (redis.directory / "appendonly.aof").stat().st_size
    _limit(redis, size + room)


def _limit(redis: EmbeddedRedis, size: int) -> None:
    assert redis.pid is not None
    resource.prlimit(redis.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@asynccontextmanager
async def _full_with_everysec(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    async with administrator(stage) as admin:
        await admin.config_set("appendfsync", "everysec")
        try:
            _fill_disk(stage.redis)
            yield
            await must_fail(stage, ResponseError, "MISCONF")
        finally:
            _limit(stage.redis, resource.RLIM_INFINITY)
            await eventually(lambda: _writes(admin), "Redis has noticed that there is room")
            # Before that it would end itself.
            await admin.config_set("appendfsync", "always")


async def _writes(admin: Any) -> bool:
    return bool((await admin.info("persistence"))["aof_last_write_status"] == "ok")


@asynccontextmanager
async def _full_with_always(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """Redis ends itself at the first write, and is started again each time, as an orchestrator does."""
    ends = 0

    async def keep_up() -> None:
        nonlocal ends
        while True:
            if stage.redis.pid is None:
                ends += _LAST_WORDS in stage.redis.log_path.read_text(errors="replace")
                await asyncio.sleep(_RESTART_SECONDS)
                stage.redis.start()
                _fill_disk(stage.redis)
            await asyncio.sleep(0.05)

    try:
        _fill_disk(stage.redis)
        async with meanwhile(keep_up()):
            yield
    finally:
        if stage.redis.pid is None:
            stage.redis.start()
        else:
            _limit(stage.redis, resource.RLIM_INFINITY)
    something(ends, "Redis has not ended for want of room")


FAULTS = (
    Fault("the disk under Redis is full, with everysec", "redis", _full_with_everysec, 8),
    Fault("the disk under Redis is full, with always", "redis", _full_with_always, 8),
)
