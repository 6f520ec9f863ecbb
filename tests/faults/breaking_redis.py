"""What the faults of Redis share: one who may do everything there, what goes on meanwhile, and proof of trouble."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.redis.connections import open_pool
from tests.faults.effect import NothingBroke
from tests.faults.stage import Stage

Happens = Callable[[Stage, Random], AbstractAsyncContextManager[None]]

# Less than the service itself waits for an answer, and more than a busy machine takes for one.
_ANSWER_SECONDS = 2.0
# Longer than the longest that these faults keep Redis from answering.
_ADMINISTRATOR_SECONDS = 60.0


@asynccontextmanager
async def administrator(stage: Stage) -> AsyncIterator[Any]:
    """Connect to Redis past all links; the connection is kept for as long as the block is open.

    It is one of ours: redis-py's own swallow cancellations.
    """
    pool = open_pool(
        stage.redis.url, max_connections=1, timeout=_ADMINISTRATOR_SECONDS, socket_timeout=_ADMINISTRATOR_SECONDS
    )
    async with Redis.from_pool(pool) as admin:
        # Connected now: later it may be too late.
        await admin.ping()
        yield admin


@asynccontextmanager
async def set_to(stage: Stage, **settings: object) -> AsyncIterator[Any]:
    """Configure Redis otherwise, an underscore for a hyphen, until the block is left or Redis is killed in it.

    Gives an `administrator`.
    """
    async with administrator(stage) as admin:
        named = {name.replace("_", "-"): value for name, value in settings.items()}
        before = {name: (await admin.config_get(name))[name] for name in named}
        try:
            for name, value in named.items():
                await admin.config_set(name, value)
            yield admin
        finally:
            for name, value in before.items() if stage.redis.pid else ():
                await admin.config_set(name, value)


@asynccontextmanager
async def without_writes(stage: Stage) -> AsyncIterator[Any]:
    """Let whoever writes wait, so that nothing is acknowledged, until the block is left or Redis is killed in it.

    Gives an `administrator`.
    """
    async with administrator(stage) as admin:
        await admin.execute_command("CLIENT", "PAUSE", round(_ADMINISTRATOR_SECONDS * 1000), "WRITE")
        try:
            yield admin
        finally:
            if stage.redis.pid is not None:
                await admin.execute_command("CLIENT", "UNPAUSE")


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something while the block is open; what it fails with is raised at the block's end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def must_fail(stage: Stage, kind: type[RedisError], words: str = "") -> None:
    """Demand that Redis refuses a write with such an error; past all links, which others may have cut.

    Raises `NothingBroke` where it does not.
    """
    try:
        async with Redis.from_url(
            stage.redis.url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS
        ) as client:
            await client.set("faults:probe", "1", ex=1)
    except kind as error:
        if words in str(error):
            return
        raise NothingBroke(f"nothing broke as it should: Redis says {error!r}") from error
    raise NothingBroke("nothing broke: Redis takes what is written")
