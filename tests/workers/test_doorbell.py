"""Doorbells: heard at once, rung once for many, harmless without Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack
import pytest
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.utils import timestamp_ms

from app.dev.embedded_redis import free_port
from app.queue import Doorbell, open_queue
from tests.peers import eventually

QUEUE = "ringback:test"
PATIENCE_SECONDS = 30.0


@asynccontextmanager
async def open_doorbell(url: str) -> AsyncIterator[tuple[Doorbell, ArqRedis]]:
    queue = open_queue(url)
    doorbell = Doorbell(queue, QUEUE, "look")
    try:
        yield doorbell, queue
    finally:
        await doorbell.aclose()
        await queue.aclose(close_connection_pool=True)


async def jobs(queue: ArqRedis) -> list[dict[str, object]]:
    ids = await queue.zrange(QUEUE, 0, -1)
    return [msgpack.unpackb(await queue.get(job_key_prefix + one.decode())) for one in ids]


async def has_rung(queue: ArqRedis, count: int) -> bool:
    return int(await queue.zcard(QUEUE)) == count


async def test_a_ring_is_a_job_that_names_a_partition_and_nothing_else(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        doorbell.ring(3)
        await eventually(lambda: has_rung(queue, 1), "the ring")
        (job,) = await jobs(queue)
        assert job["f"] == "look"
        assert job["a"] == [3]
        assert job["k"] == {}


async def test_a_ring_that_nobody_hears_does_not_stay(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        doorbell.ring(3)
        await doorbell.aclose()
        (job_id,) = await queue.zrange(QUEUE, 0, -1)
        assert 0 < await queue.pttl(job_key_prefix + job_id.decode()) <= 60_000


async def test_rings_in_short_succession_are_one(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        for _ in range(50):
            doorbell.ring(0)
        await doorbell.aclose()
        assert await has_rung(queue, 1)


async def test_a_ring_after_one_that_was_rung_is_rung_too(queue_url: str) -> None:
    """What it tells of may have come after the first one was heard."""
    async with open_doorbell(queue_url) as (doorbell, queue):
        doorbell.ring(0)
        await eventually(lambda: has_rung(queue, 1), "the first ring")
        for _ in range(50):
            doorbell.ring(0)
        await doorbell.aclose()
        assert await has_rung(queue, 2)


async def test_partitions_have_bells_of_their_own(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        for partition in (0, 1, 0, 2):
            doorbell.ring(partition)
        await doorbell.aclose()
        assert sorted(str(job["a"]) for job in await jobs(queue)) == ["[0]", "[1]", "[2]"]


async def test_a_ring_is_what_arq_itself_would_write(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        doorbell.ring(3)
        await doorbell.aclose()
        [ours] = await queue.zrange(QUEUE, 0, -1)
        await queue.zrem(QUEUE, ours)
        await queue.enqueue_job("look", 3, _job_id="arq's", _queue_name=QUEUE)
        [(arqs, arqs_score)] = await queue.zrange(QUEUE, 0, -1, withscores=True)
        our_job, arqs_job = [msgpack.unpackb(await queue.get(job_key_prefix + one.decode())) for one in (ours, arqs)]
        assert {**our_job, "et": None} == {**arqs_job, "et": None}
        assert our_job["et"] <= arqs_score == arqs_job["et"]


async def test_a_ring_is_heard_by_a_worker_whose_clock_is_behind(queue_url: str) -> None:
    """It looks for what is due by its own clock."""
    async with open_doorbell(queue_url) as (doorbell, queue):
        doorbell.ring(3)
        await doorbell.aclose()
        ten_hours_behind = timestamp_ms() - 36_000_000
        assert len(await queue.zrangebyscore(QUEUE, "-inf", ten_hours_behind)) == 1


async def test_partitions_that_are_rung_for_at_once_are_one_round_trip(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        await queue.config_resetstat()
        for partition in range(16):
            doorbell.ring(partition)
        await doorbell.aclose()
        assert await has_rung(queue, 16)
        assert (await queue.info("commandstats"))["cmdstat_eval"]["calls"] == 1


async def test_a_queue_that_nobody_listens_to_does_not_grow_without_end(queue_url: str) -> None:
    async with open_doorbell(queue_url) as (doorbell, queue):
        await queue.zadd(QUEUE, {f"job {number}": number for number in range(2000)})
        doorbell.ring(0)
        await doorbell.aclose()
        assert await has_rung(queue, 2000)


async def test_without_redis_a_ring_is_lost_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with open_doorbell(f"redis://127.0.0.1:{free_port()}/0") as (doorbell, _):
        doorbell.ring(0)
        await asyncio.wait_for(doorbell.aclose(), PATIENCE_SECONDS)
    assert [record.getMessage() for record in caplog.records] == ["doorbell not rung, the next tick will do"]
