"""The ledger and the queue behind real sentinels, and a master that has become a replica without a word."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.dev.embedded_redis import HOST
from app.queue import SteadyQueue
from app.store.connection import Ledger, StoreUnavailable
from tests.topologies import Sentinel, ask

RESERVE = ("begin_once", ["rb:{00}:once"], ["ours", 60_000])


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinel]:
    with Sentinel(tmp_path_factory.mktemp("sentinel"), "no") as running:
        yield running


@pytest.fixture
async def ledger(service: Sentinel) -> AsyncIterator[Ledger]:
    opened = Ledger(service.url)
    yield opened
    await opened.aclose()


async def test_a_master_that_is_a_replica_now_is_left(service: Sentinel, ledger: Ledger) -> None:
    assert await ledger.run(*RESERVE) is None
    (master,) = service.masters()
    (replica,) = (one for one in service.servers if one is not master)
    service.be_ready()
    # The sentinels go by what they know, and will find out in their time.
    ask(replica.port, "REPLICAOF", "NO", "ONE")
    ask(master.port, "REPLICAOF", HOST, replica.port)

    with pytest.raises(StoreUnavailable):
        await ledger.run("begin_once", ["rb:{00}:another"], ["ours", 60_000])

    idle = ledger.redis.connection_pool._available_connections
    assert idle
    assert not any(one.is_connected for one in idle)


async def test_no_sentinel_is_no_redis(service: Sentinel, ledger: Ledger) -> None:
    service.kill()
    with pytest.raises(StoreUnavailable):
        await ledger.ping()


async def test_the_queue_speaks_to_the_master(service: Sentinel) -> None:
    queue = SteadyQueue(service.queue_url)
    try:
        await queue.set("key", "value")
        (master,) = service.masters()
        assert ask(master.port, "GET", "key") == b"value"
    finally:
        await queue.aclose(close_connection_pool=True)
