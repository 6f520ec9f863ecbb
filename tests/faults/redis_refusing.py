"""Redis that is there and refuses: it is full, read-only, busy, loading, without its replicas or without its disk."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Any

from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, ResponseError

from app.dev.embedded_redis import HOST, EmbeddedRedis
from tests.faults.breaking_redis import Happens, administrator, meanwhile, must_fail, set_to
from tests.faults.fault import Fault
from tests.faults.stage import Stage
from tests.workers.redis_trouble import with_a_script_that_does_not_end, without_disk, without_replicas

_MICROSECONDS_OF_LOADING = 6_000_000
_TO_BE_FULL_SECONDS = 0.1


@asynccontextmanager
async def _full(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """The limit is what is in use, and follows it: what is given back is not to be had again."""
    async with set_to(stage, maxmemory=0) as admin:

        async def be_full() -> None:
            used = int((await admin.info("memory"))["used_memory"])
            limit = int((await admin.config_get("maxmemory"))["maxmemory"])
            await admin.config_set("maxmemory", min(used, limit or used))

        async def stay_full() -> None:
            while True:
                await be_full()
                await asyncio.sleep(_TO_BE_FULL_SECONDS)

        await be_full()
        async with meanwhile(stay_full()):
            yield
        await admin.config_set("maxmemory", 1)
        await must_fail(stage, OutOfMemoryError)


@asynccontextmanager
async def _read_only(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """A replica of nobody: of a port that is taken and on which nothing listens, so that there is nothing to copy."""
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        async with administrator(stage) as admin:
            await admin.replicaof(HOST, nobody.getsockname()[1])
            try:
                yield
                await must_fail(stage, ReadOnlyError)
            finally:
                await admin.replicaof("NO", "ONE")


@asynccontextmanager
async def _loading(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """It reads its file anew, as after a start, and as slowly as if that was long."""
    commands = (stage.redis.directory / "appendonly.aof").read_bytes().count(b"\n*")

    async def load(admin: Any) -> None:
        await admin.execute_command("DEBUG", "LOADAOF")

    async with set_to(stage, key_load_delay=_MICROSECONDS_OF_LOADING // commands), administrator(stage) as admin:
        loading = asyncio.create_task(load(admin))
        try:
            yield
            await must_fail(stage, BusyLoadingError)
        finally:
            await loading


def _refusing(code: str, broken: Callable[[EmbeddedRedis], AbstractAsyncContextManager[None]]) -> Happens:
    @asynccontextmanager
    async def happens(stage: Stage, _chance: Random) -> AsyncIterator[None]:
        async with broken(stage.redis):
            yield
            await must_fail(stage, ResponseError, code)

    return happens


FAULTS = (
    Fault("Redis is full", "redis", _full, 8),
    Fault("Redis is read-only", "redis", _read_only, 8),
    Fault("Redis is loading its data", "redis", _loading, 3),
    Fault("Redis has too few replicas", "redis", _refusing("NOREPLICAS", without_replicas), 6),
    Fault("Redis cannot write a snapshot", "redis", _refusing("MISCONF", without_disk), 6),
    Fault("a script in Redis does not end", "redis", _refusing("BUSY", with_a_script_that_does_not_end), 8),
)
