"""Records that gather while others are being written."""

import asyncio
from collections.abc import Sequence

import pytest

from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from workers.batching import Batcher

HERE, THERE = Partition(0), Partition(1)


class Writer:
    """Writes only while `open`, doubles what it is given, and keeps what it was given at once."""

    def __init__(self, *failures: Exception) -> None:
        self.open = asyncio.Event()
        self.batches: list[tuple[int, list[int]]] = []
        self.begun = asyncio.Event()
        self._failures = list(failures)

    async def write(self, partition: Partition, items: Sequence[int]) -> list[int]:
        self.batches.append((partition.number, list(items)))
        self.begun.set()
        await self.open.wait()
        if self._failures:
            raise self._failures.pop(0)
        return [2 * item for item in items]


def submit(batcher: Batcher[int, int], *items: int, partition: Partition = HERE) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(batcher.submit(partition, item)) for item in items]


async def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, patience_seconds=5)
    first = submit(batcher, 1)
    await writer.begun.wait()
    later = submit(batcher, 2, 3, 4)
    await asyncio.sleep(0)
    assert writer.batches == [(0, [1])]

    writer.open.set()

    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8]
    assert writer.batches == [(0, [1]), (0, [2, 3, 4])]


async def test_partitions_do_not_wait_for_each_other() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, patience_seconds=5)
    tasks = [*submit(batcher, 1), *submit(batcher, 2, partition=THERE)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert writer.batches == [(0, [1]), (1, [2])]
    writer.open.set()
    assert await asyncio.gather(*tasks) == [2, 4]


async def test_a_batch_is_bounded() -> None:
    writer = Writer()
    writer.open.set()
    batcher = Batcher(writer.write, patience_seconds=5)
    results = await asyncio.gather(*submit(batcher, *range(450)))
    assert results == [2 * item for item in range(450)]
    assert [len(batch) for _, batch in writer.batches] == [200, 200, 50]


async def test_each_submitter_of_a_batch_gets_its_error_and_the_next_batch_is_written() -> None:
    writer = Writer(ValueError("no"))
    batcher = Batcher(writer.write, patience_seconds=5)
    failing = submit(batcher, 1, 2)
    await writer.begun.wait()
    later = submit(batcher, 3)
    await asyncio.sleep(0)
    writer.open.set()

    outcomes = await asyncio.gather(*failing, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [ValueError, ValueError]
    assert await later[0] == 6
    assert await batcher.submit(HERE, 4) == 8


async def test_a_redis_that_is_away_is_waited_for() -> None:
    writer = Writer(StoreUnavailable("away"), StoreUnavailable("away"))
    writer.open.set()
    batcher = Batcher(writer.write, patience_seconds=30)
    assert await batcher.submit(HERE, 1) == 2
    assert writer.batches == [(0, [1])] * 3


async def test_patience_ends() -> None:
    writer = Writer(StoreUnavailable("away"), StoreUnavailable("away"))
    writer.open.set()
    batcher = Batcher(writer.write, patience_seconds=0)
    with pytest.raises(StoreUnavailable):
        await batcher.submit(HERE, 1)
    assert len(writer.batches) == 1


async def test_a_submitter_that_went_away_costs_the_others_nothing() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, patience_seconds=5)
    leaving, staying = submit(batcher, 1, 2)
    await writer.begun.wait()
    leaving.cancel()
    writer.open.set()
    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_lingers_goes_with_the_next_batch_of_its_partition() -> None:
    writer, told = Writer(), []
    writer.open.set()
    batcher = Batcher(writer.write, patience_seconds=5, told=lambda item, result: told.append((item, result)))
    batcher.linger(HERE, 1)
    batcher.linger(THERE, 2)

    assert await batcher.submit(HERE, 3) == 6

    assert writer.batches == [(0, [1, 3])]
    assert told == [(1, 2)]
    await batcher.flush()
    assert writer.batches[1:] == [(1, [2])]


async def test_what_lingers_is_written_without_being_asked_for_and_a_full_batch_at_once() -> None:
    writer, told = Writer(), []
    writer.open.set()
    everything = asyncio.Event()

    def tell(item: int, _: int | Exception) -> None:
        told.append(item)
        if len(told) == 201:
            everything.set()

    batcher = Batcher(writer.write, patience_seconds=5, told=tell)
    for item in range(200):
        batcher.linger(HERE, item)
    batcher.linger(THERE, 200)
    await asyncio.sleep(0)
    assert [number for number, _ in writer.batches] == [0]
    await asyncio.wait_for(everything.wait(), 10)
    assert told == list(range(201))


async def test_an_error_that_nobody_waits_for_is_told() -> None:
    error = ValueError("no")
    writer, told = Writer(error), []
    writer.open.set()
    batcher = Batcher(writer.write, patience_seconds=5, told=lambda item, result: told.append((item, result)))
    batcher.linger(HERE, 1)
    await batcher.flush()
    assert told == [(1, error)]
