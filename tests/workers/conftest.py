"""A Redis that a test may kill, the queue's client on it, and both ends of a delivery."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.outbound.callback import CallbackClient
from app.queue import SteadyQueue
from app.resources import Resources
from tests.peers import Receiver
from tests.servers import serve
from tests.workers.ledger import Desk, open_desk


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


@pytest.fixture
async def desk(resources: Resources) -> Desk:
    return await open_desk(resources)


@pytest.fixture
async def callbacks() -> AsyncIterator[CallbackClient]:
    async with CallbackClient(timeout_seconds=1.0, max_connections=10, allow_private=True) as client:
        yield client


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    async with serve(receiver) as base:
        yield base
