"""The ledger on a real cluster: what goes to several nodes, and what becomes of it when some of them are lost."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.redis.connections import open_pool
from app.store.connection import Ledger, ScriptCall, StoreUnavailable
from app.store.keys import Partition, all_partitions
from tests.topologies import Cluster, ask

PARTITIONS = all_partitions(16)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "no") as running:
        yield running


@pytest.fixture
async def ledger(cluster: Cluster) -> AsyncIterator[Ledger]:
    cluster.flush()
    opened = Ledger(cluster.url)
    yield opened
    await opened.aclose()


def reserve(partition: Partition) -> ScriptCall:
    return ScriptCall("begin_once", [f"{partition.prefix}once"], ["ours", 60_000])


async def test_scripts_of_all_partitions_run_in_one_go_on_nodes_that_do_not_know_them(
    cluster: Cluster, ledger: Ledger
) -> None:
    for one in cluster.masters():
        ask(one.port, "SCRIPT", "FLUSH")
    assert await ledger.run_each([reserve(one) for one in PARTITIONS]) == [None] * 16
    assert await ledger.run_each([reserve(one) for one in PARTITIONS]) == [b"ours"] * 16


async def test_a_pipeline_answers_in_the_order_in_which_it_was_asked(ledger: Ledger) -> None:
    for one in PARTITIONS:
        await ledger.redis.zadd(one.due, {"a": one.number})
    pipe = ledger.redis.pipeline(transaction=False)
    for one in PARTITIONS:
        pipe.zscore(one.due, "a")
    assert await pipe.execute() == list(range(16))


async def test_a_walk_meets_the_keys_of_every_node(ledger: Ledger) -> None:
    for one in PARTITIONS:
        await ledger.redis.hset(one.watch("one"), "k", "v")
        await ledger.redis.zadd(one.due, {"one": 1})
    met = [name.decode() async for names in ledger.walk("rb:{*}:*", "hash", 1) for name in names]
    assert sorted(met) == [one.watch("one") for one in PARTITIONS]


async def test_warnings_name_the_node(cluster: Cluster, ledger: Ledger) -> None:
    one = cluster.servers[1]
    ask(one.port, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        [warning] = await ledger.durability_warnings()
    finally:
        ask(one.port, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert warning.startswith(f"127.0.0.1:{one.port}: Redis may evict keys")


async def test_lost_connections_are_not_noticed(cluster: Cluster, ledger: Ledger) -> None:
    calls = [reserve(one) for one in PARTITIONS]
    await ledger.run_each(calls)
    for _ in range(3):
        for one in cluster.masters():
            ask(one.port, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await ledger.run_each(calls) == [b"ours"] * 16
        assert await ledger.run_soon(calls[0].script, calls[0].names, calls[0].arguments) == b"ours"


async def test_slots_that_were_given_to_another_node_are_found(cluster: Cluster, ledger: Ledger) -> None:
    """Which is a MOVED for each of them, and for the script, which that node does not know."""
    name = PARTITIONS[0].due
    slot = int(ask(cluster.servers[0].port, "CLUSTER", "KEYSLOT", name))
    nodes = cluster.servers[:3]
    await ledger.redis.zcard(name)
    owner = ledger.redis.get_node_from_key(name).port
    other = next(one for one in nodes if one.port != owner)
    for to in (other, next(one for one in nodes if one.port == owner)):
        ask(to.port, "SCRIPT", "FLUSH")
        # The node that is to have it is told first: whoever has lost it points there.
        for one in sorted(nodes, key=lambda one: one is not to):
            ask(one.port, "CLUSTER", "SETSLOT", slot, "NODE", ask(to.port, "CLUSTER", "MYID"))
        assert await ledger.run_each([reserve(PARTITIONS[0])]) == [None]
        assert await ledger.redis.delete(f"{PARTITIONS[0].prefix}once") == 1


async def test_a_cluster_that_was_away_as_a_whole_is_found_again(cluster: Cluster, ledger: Ledger) -> None:
    await ledger.ping()
    cluster.kill()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await ledger.run_each([reserve(one) for one in PARTITIONS])
    cluster.start()
    cluster.be_ready()
    await ledger.ping()
    assert len(await ledger.run_each([reserve(one) for one in PARTITIONS])) == 16


async def test_the_queue_has_no_pool_of_a_cluster(cluster: Cluster) -> None:
    with pytest.raises(TypeError, match="no pool"):
        open_pool(cluster.url)
