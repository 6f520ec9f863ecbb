"""An address that leads to another Redis from now on, while the old one lives on as its replica."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.dev.embedded_redis import HOST, EmbeddedRedis
from app.queue import SteadyQueue
from app.store.connection import Ledger, StoreUnavailable
from tests.faults.link import Link, open_link
from tests.topologies import ask
from tests.workers.redis_trouble import transaction

_WRITE = "return redis.call('SET', KEYS[1], '2')"


@pytest.fixture
def old_one(tmp_path: Path) -> EmbeddedRedis:
    return EmbeddedRedis(tmp_path / "old", append_only=False)


@pytest.fixture
def new_one(tmp_path: Path) -> EmbeddedRedis:
    return EmbeddedRedis(tmp_path / "new", append_only=False)


@pytest.fixture
async def address(old_one: EmbeddedRedis, new_one: EmbeddedRedis) -> AsyncIterator[Link]:
    with old_one, new_one:
        async with open_link(old_one.port) as link:
            yield link


def _fail_over(address: Link, old_one: EmbeddedRedis, new_one: EmbeddedRedis) -> None:
    """Connections that are open stay so, and lead to the old one."""
    ask(old_one.port, "REPLICAOF", HOST, new_one.port)
    address.lead_to(new_one.port)


async def _by_a_command(client: Any) -> None:
    await client.set("key", "2")


async def _by_a_script(client: Any) -> None:
    await client.eval(_WRITE, 1, "key")


async def _by_a_pipeline(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    pipe.eval(_WRITE, 1, "key")
    pipe.set("other", "2")
    await pipe.execute()


async def _by_a_transaction(client: Any) -> None:
    pipe = client.pipeline(transaction=True)
    pipe.set("key", "2")
    await pipe.execute()


@pytest.mark.parametrize("write", [_by_a_command, _by_a_script, _by_a_pipeline, _by_a_transaction])
async def test_who_is_told_to_write_elsewhere_connects_anew(
    address: Link, old_one: EmbeddedRedis, new_one: EmbeddedRedis, write: Callable[[Any], Awaitable[None]]
) -> None:
    ledger = Ledger(f"redis://{HOST}:{address.port}/0")
    try:
        await ledger.redis.set("key", "1")
        _fail_over(address, old_one, new_one)
        await write(ledger.redis)
        assert ask(new_one.port, "GET", "key") == b"2"
    finally:
        await ledger.aclose()


async def test_a_worker_s_queue_moves_on(address: Link, old_one: EmbeddedRedis, new_one: EmbeddedRedis) -> None:
    queue = SteadyQueue(f"redis://{HOST}:{address.port}/0")
    try:
        await queue.set("key", "1")
        _fail_over(address, old_one, new_one)
        async with transaction(queue) as pipe:
            pipe.set("key", "2")
            await pipe.execute()
        assert ask(new_one.port, "GET", "key") == b"2"
    finally:
        await queue.aclose(close_connection_pool=True)


async def test_that_redis_is_read_only_is_told(address: Link, old_one: EmbeddedRedis, new_one: EmbeddedRedis) -> None:
    ask(old_one.port, "REPLICAOF", HOST, new_one.port)
    ledger = Ledger(f"redis://{HOST}:{address.port}/0")
    try:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await ledger.check_partitions(16)
    finally:
        await ledger.aclose()
