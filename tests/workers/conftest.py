"""A Redis that a test may kill, and the queue's client on it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.queue import SteadyQueue


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
