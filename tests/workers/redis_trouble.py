"""What may happen to Redis under the queue's client, and what arq asks of it meanwhile."""

import asyncio
import os
import signal
from typing import Any

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue

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
