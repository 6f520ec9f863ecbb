"""One timer for many sleepers: each is woken at its own instant, in order, and none twice."""

import asyncio

import pytest

from app.store.clock import StoreClock
from workers.alarm import Alarm

PATIENCE_SECONDS = 10.0


class Sleepers:
    """What was woken, and when; `all_up` is set when as many are up as were expected."""

    def __init__(self, expected: int) -> None:
        self.clock = StoreClock()
        self.up: list[str] = []
        self.woken_at: list[float] = []
        self.all_up = asyncio.Event()
        self._expected = expected
        self.alarm: Alarm[str] = Alarm(self._wake, self.clock.now)

    def _wake(self, name: str) -> None:
        self.up.append(name)
        self.woken_at.append(self.clock.now())
        if len(self.up) == self._expected:
            self.all_up.set()


@pytest.mark.parametrize("order", ["abcd", "dcba", "bdac"])
async def test_each_wakes_at_its_instant_in_whatever_order_they_went_to_sleep(order: str) -> None:
    sleepers = Sleepers(4)
    now = sleepers.clock.now()
    instants = {"a": now - 1, "b": now + 0.02, "c": now + 0.02, "d": now + 0.05}
    for name in order:
        sleepers.alarm.set(instants[name], name)
    assert len(sleepers.alarm) == 4

    await asyncio.wait_for(sleepers.all_up.wait(), PATIENCE_SECONDS)

    assert sorted(sleepers.up) == list("abcd")
    assert (sleepers.up[0], sleepers.up[3]) == ("a", "d")
    assert sleepers.up[1:3] == [name for name in order if name in "bc"]
    assert all(woken >= instants[name] for name, woken in zip(sleepers.up, sleepers.woken_at, strict=True))
    assert len(sleepers.alarm) == 0


async def test_nothing_wakes_any_more_once_it_is_cleared() -> None:
    sleepers = Sleepers(1)
    now = sleepers.clock.now()
    for name, seconds in (("late", 0.02), ("soon", 0.01)):
        sleepers.alarm.set(now + seconds, name)

    assert sleepers.alarm.clear() == ["soon", "late"]

    sleepers.alarm.set(now + 0.05, "later")
    await asyncio.wait_for(sleepers.all_up.wait(), PATIENCE_SECONDS)
    assert sleepers.up == ["later"]
