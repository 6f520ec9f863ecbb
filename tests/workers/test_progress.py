"""What counts as a standstill, and the signs that the parts of a worker give of one."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.clock import StoreClock
from app.store.keys import Partition
from tests.peers import eventually
from workers.alarm import Alarm
from workers.batching import Batcher
from workers.claims import LEASE_MARGIN_SECONDS, ClaimLoop, Work
from workers.progress import STANDSTILL_SECONDS, Moving, RedisWatch, Sign, StandingStill, judge

SECONDS = st.floats(0, 10_000)


@given(st.lists(SECONDS, max_size=5), SECONDS)
def test_a_standstill_is_one_that_redis_does_not_excuse(idle: list[float], excused: float) -> None:
    signs = [Sign(f"part {number}", lambda seconds=seconds: seconds) for number, seconds in enumerate(idle)]  # type: ignore[misc] # a default binds it
    verdict = judge(signs, excused)
    counted = min(max(idle, default=0.0), excused)
    assert verdict.idle_seconds == counted
    assert isinstance(verdict, StandingStill) == (counted > STANDSTILL_SECONDS)
    if isinstance(verdict, StandingStill):
        assert idle[int(verdict.what.removeprefix("part "))] == max(idle)


def test_nothing_to_judge_is_no_standstill() -> None:
    assert judge([], float("inf")) == Moving(0.0)


async def test_an_alarm_that_wakes_nobody_is_overdue_and_one_that_fails_once_goes_on() -> None:
    woken: list[str] = []

    def wake(item: str) -> None:
        if item == "bad":
            raise RuntimeError(item)
        woken.append(item)

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    alarm = Alarm(wake, time.time)
    assert alarm.overdue_seconds() == 0
    now = time.time()
    for at, item in ((now + 0.01, "bad"), (now + 0.02, "good"), (now + 3600, "later")):
        alarm.set(at, item)

    async def all_woken() -> bool:
        return woken == ["good"]

    await eventually(all_woken, "that the others are woken")
    assert alarm.overdue_seconds() == 0
    alarm.clear()


async def test_an_alarm_whose_clock_has_leapt_tells_by_how_much_it_is_late() -> None:
    now = 100.0
    alarm: Alarm[str] = Alarm(lambda _: None, lambda: now)
    alarm.set(200.0, "item")
    now = 230.0
    assert alarm.overdue_seconds() == pytest.approx(30)
    alarm.clear()


async def test_a_batch_that_is_never_written_is_told_of() -> None:
    written = asyncio.Event()

    async def write(_: Partition, items: Sequence[int]) -> Sequence[int]:
        await written.wait()
        return items

    batcher: Batcher[int, int] = Batcher(write, 1.0)
    assert batcher.writing_seconds() == 0
    submitting = asyncio.create_task(batcher.submit(Partition(0), 1))

    async def tells() -> bool:
        return batcher.writing_seconds() > 0.05

    await eventually(tells, "that a batch takes long")
    written.set()
    assert await submitting == 1
    await batcher.flush()
    assert batcher.writing_seconds() == 0
    assert time.monotonic() - batcher.last_written < 60


class _Due:
    due_at = 0.0


async def test_places_that_are_never_left_are_told_of_and_a_slow_action_is_not() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def claim(*_: object) -> list[_Due]:
        return [] if begun.is_set() else [_Due()]

    async def act(*_: object) -> float:
        begun.set()
        await ended.wait()
        return 0.0

    async def release(*_: object) -> None: ...

    # An action may take no time at all, and less than its record: it is stuck at once.
    stuck = ClaimLoop(Work("poll", claim, act, release, 0.01 - LEASE_MARGIN_SECONDS, 1), StoreClock(), lambda _: None)
    assert [sign.idle_seconds() for sign in stuck.signs()] == [0, 0]
    await stuck.look(Partition(0))
    await asyncio.wait_for(begun.wait(), 10)

    async def tells() -> bool:
        return any("places" in sign.what and sign.idle_seconds() > 0.05 for sign in stuck.signs())

    await eventually(tells, "that nothing ends")
    ended.set()
    await stuck.drain(10)
    assert [sign.idle_seconds() for sign in stuck.signs()] == [0, 0]


async def test_a_redis_that_does_not_answer_is_noticed_and_forgotten() -> None:
    answers = False
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if not answers:
            raise OSError

    watch = RedisWatch(ask)
    assert watch.seconds_ago() == float("inf")
    watching = asyncio.create_task(watch.run())

    async def noticed() -> bool:
        return watch.seconds_ago() < 60

    await eventually(noticed, "that Redis is away")
    watching.cancel()
    assert asked == 1
