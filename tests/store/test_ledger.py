"""The connection: the installation it belongs to, its clock, and errors told in one word."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from app.dev.embedded_redis import EmbeddedRedis, free_port
from app.resources import Resources, open_resources
from app.store.clock import StoreClock
from app.store.connection import Ledger, StoreUnavailable, WrongPartitions
from app.store.keys import all_partitions
from tests.conftest import MakeSettings
from tests.store.making import read, register


async def test_another_number_of_partitions_is_refused(resources: Resources) -> None:
    await resources.ledger.check_partitions(4)

    with pytest.raises(WrongPartitions, match=r"RINGBACK_PARTITIONS is 8, .* begun with 4"):
        await resources.ledger.check_partitions(8)

    await resources.ledger.check_partitions(4)


async def test_the_clock_is_redis_own(resources: Resources) -> None:
    for partition in all_partitions(4):
        resources.ledger.tell_time(1_000, partition.due)
    assert abs(resources.ledger.clock.now() - 1) < 5

    await resources.ledger.ping()

    seconds, _ = await resources.ledger.redis.time()
    assert abs(resources.ledger.clock.now() - seconds) < 5


def test_a_clock_goes_on_between_answers() -> None:
    clock = StoreClock()
    clock.set(5_000)

    before = clock.now()
    deadline = time.monotonic() + 5
    while clock.now() <= before:
        assert time.monotonic() < deadline

    assert clock.now() >= 5


async def test_a_redis_that_is_not_there_is_unavailable() -> None:
    ledger = Ledger(f"redis://127.0.0.1:{free_port()}/0")
    try:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await ledger.ping()
        with pytest.raises(StoreUnavailable):
            await ledger.run("release", ["rb:{00}:due"], ["a", 1])
    finally:
        await ledger.aclose()


async def test_a_redis_that_hangs_up_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ledger = Ledger(f"redis://127.0.0.1:{port}/0")
    try:
        with pytest.raises(StoreUnavailable):
            await ledger.durability_warnings()
    finally:
        await ledger.aclose()


async def test_a_full_redis_refuses_and_writes_nothing_by_halves(make_settings: MakeSettings, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="no") as server:
        async with open_resources(make_settings(redis_url=server.url)) as full:
            one = await register(full)
            before = [name async for name in full.ledger.redis.scan_iter("*")]
            await full.ledger.redis.config_set("maxmemory", 1)

            with pytest.raises(StoreUnavailable, match="full"):
                await register(full, call_sid="OUT-2")

            assert sorted([name async for name in full.ledger.redis.scan_iter("*")]) == sorted(before)
            assert (await read(full, one.id)).status == "active"
            await full.ledger.redis.config_set("maxmemory", 0)
            assert (await register(full, call_sid="OUT-2")).created


async def test_a_restart_loses_nothing_and_is_not_noticed(make_settings: MakeSettings, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="always") as server:
        async with open_resources(make_settings(redis_url=server.url)) as kept:
            one = await register(kept)
            server.kill()
            server.start()

            again = await register(kept)

            assert (again.id, again.created) == (one.id, False)


async def test_a_redis_that_is_back_within_a_moment_is_waited_for(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="always") as server:
        server.kill()
        ledger = Ledger(server.url)
        try:
            asyncio.get_running_loop().call_later(0.15, server.start)

            await ledger.ping()
        finally:
            await ledger.aclose()


async def test_a_redis_that_keeps_everything_needs_no_warning(resources: Resources) -> None:
    assert await resources.ledger.durability_warnings() == []


def test_of_several_nodes_the_slowest_tells_the_time() -> None:
    clock = StoreClock()
    clock.set(90_000_000, "fast")
    clock.set(5_000_000, "slow")
    clock.set(90_000_000, "fast")
    assert 5_000 <= clock.now() < 6_000

    clock.set(7_000_000, "slow")
    assert 7_000 <= clock.now() < 8_000


async def test_a_walk_that_redis_was_restarted_under_meets_everything(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="always") as server:
        ledger = Ledger(server.url)
        try:
            names = {f"rb:{number}".encode() for number in range(300)}
            for name in names:
                await ledger.redis.hset(name, "field", "value")
            met: set[bytes] = set()
            async for some in ledger.walk("rb:*", "hash", 10):
                if not met:
                    server.kill()
                    server.start()
                met.update(some)
            assert met == names
        finally:
            await ledger.aclose()
