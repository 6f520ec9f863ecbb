"""So many polls a second, evenly spaced."""

import asyncio

import pytest

from workers.poller import Throttle


async def test_without_a_bound_nobody_waits() -> None:
    waiting = Throttle(0).wait()
    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_with_a_bound_they_are_let_through_one_by_one() -> None:
    loop = asyncio.get_running_loop()
    passed: list[float] = []
    throttle = Throttle(50)

    async def pass_through() -> None:
        await throttle.wait()
        passed.append(loop.time())

    begun_at = loop.time()
    await asyncio.gather(*(pass_through() for _ in range(6)))

    # A timer may fire a little before its time, by the resolution of the clock.
    assert all(at - begun_at > place * 0.02 - 0.002 for place, at in enumerate(passed))
    assert passed == sorted(passed)
