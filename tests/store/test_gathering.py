"""Calls of the same moment share a round trip, and nothing else."""

import asyncio
from collections.abc import Sequence

import pytest

from app.store.gathering import Gathering


class Carrier:
    """Carries out calls when it is let: the answer to a number is its double, and to a negative one an error."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.released = asyncio.Semaphore(0)

    async def carry_out(self, calls: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(calls))
        await self.released.acquire()
        if 0 in calls:
            raise OSError("the connection was lost")
        return [2 * one if one > 0 else ValueError(one) for one in calls]

    def release(self, count: int) -> None:
        for _ in range(count):
            self.released.release()


async def begin(gathering: Gathering[int, int], *calls: int) -> list[asyncio.Task[int]]:
    """Submit calls in one moment, and let what they begin begin."""
    tasks = [asyncio.create_task(gathering.submit(one)) for one in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_calls_of_one_moment_are_carried_out_together() -> None:
    carrier = Carrier()
    tasks = await begin(Gathering(carrier.carry_out), 1, 2, 3)
    carrier.release(1)
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert carrier.batches == [[1, 2, 3]]


async def test_what_comes_while_two_are_under_way_gathers() -> None:
    carrier = Carrier()
    gathering = Gathering(carrier.carry_out)
    tasks = [task for one in range(1, 7) for task in await begin(gathering, one)]
    assert carrier.batches == [[1], [2]]
    carrier.release(3)
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12]
    assert carrier.batches == [[1], [2], [3, 4, 5, 6]]


async def test_no_batch_grows_beyond_a_hundred() -> None:
    carrier = Carrier()
    carrier.release(3)
    tasks = await begin(Gathering(carrier.carry_out), *range(1, 251))
    assert await asyncio.gather(*tasks) == [2 * one for one in range(1, 251)]
    assert sorted(len(batch) for batch in carrier.batches) == [50, 100, 100]


async def test_an_error_that_one_met_is_no_one_elses() -> None:
    carrier = Carrier()
    carrier.release(1)
    good, bad, another = await begin(Gathering(carrier.carry_out), 1, -1, 3)
    assert (await good, await another) == (2, 6)
    with pytest.raises(ValueError, match="-1"):
        await bad


async def test_what_went_wrong_for_all_is_told_to_all_and_passes() -> None:
    carrier = Carrier()
    gathering = Gathering(carrier.carry_out)
    carrier.release(2)
    for task in await begin(gathering, 1, 0):
        with pytest.raises(OSError, match="the connection was lost"):
            await task
    assert await gathering.submit(2) == 4


async def test_a_caller_who_goes_away_harms_nobody() -> None:
    carrier = Carrier()
    gathering = Gathering(carrier.carry_out)
    gone, waiting = await begin(gathering, 1, 2)
    gone.cancel()
    carrier.release(2)
    assert await waiting == 4
    assert await gathering.submit(3) == 6


async def test_nobody_is_forgotten_however_calls_follow_each_other() -> None:
    carrier = Carrier()
    gathering = Gathering(carrier.carry_out)
    carrier.release(10_000)

    async def ask(first: int) -> list[int]:
        return [await gathering.submit(first + step) for step in range(50)]

    answers = await asyncio.wait_for(asyncio.gather(*(ask(100 * one) for one in range(1, 21))), 30)
    assert answers == [[2 * (100 * one + step) for step in range(50)] for one in range(1, 21)]
