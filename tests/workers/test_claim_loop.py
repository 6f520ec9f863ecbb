"""What a worker holds: each claim acted on at its instant, within its room, and given back on shutdown."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from workers.claims import LEASE_MARGIN_SECONDS, ClaimLoop, Work
from workers.own_looks import OwnLooks

HERE, THERE = Partition(0), Partition(1)
LONGEST_SECONDS = 1.0
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Errand:
    name: str
    due_at: float


@dataclass
class Ledger:
    """Something to claim from: what is left there, and everything that was done with it."""

    left: list[Errand] = field(default_factory=list)
    asked_for: list[tuple[int, float, int]] = field(default_factory=list)
    released: list[tuple[int, str]] = field(default_factory=list)
    rung: list[int] = field(default_factory=list)
    away: bool = False

    async def claim(self, partition: Partition, lease_seconds: float, limit: int) -> list[Errand]:
        self.asked_for.append((partition.number, lease_seconds, limit))
        if self.away:
            raise StoreUnavailable("away")
        claimed, self.left = self.left[:limit], self.left[limit:]
        return claimed

    async def release(self, partition: Partition, claims: Sequence[Errand]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.released += [(partition.number, claim.name) for claim in claims]


class Actor:
    """Does what it is asked to do once it is `open`, and says what it has begun and ended, and when."""

    def __init__(self, clock: StoreClock, *, fails: bool = False) -> None:
        self.open = asyncio.Event()
        self.begun: list[str] = []
        self.begun_at: dict[str, float] = {}
        self.ended: list[str] = []
        self.again_at = 0.0
        self._clock, self._fails = clock, fails
        self._happened = asyncio.Condition()

    async def act(self, _: Partition, errand: Errand) -> float:
        self.begun_at[errand.name] = self._clock.now()
        await self._note(self.begun, errand.name)
        await self.open.wait()
        if self._fails:
            raise ValueError(errand.name)
        await self._note(self.ended, errand.name)
        return self.again_at

    async def until(self, notes: list[str], count: int) -> list[str]:
        async with asyncio.timeout(PATIENCE_SECONDS), self._happened:
            await self._happened.wait_for(lambda: len(notes) >= count)
        return notes

    async def _note(self, notes: list[str], name: str) -> None:
        async with self._happened:
            notes.append(name)
            self._happened.notify_all()


def make_loop(ledger: Ledger, actor: Actor, clock: StoreClock, *, places: int = 50, **more: Any) -> ClaimLoop[Errand]:
    work = Work("errand", ledger.claim, actor.act, ledger.release, LONGEST_SECONDS, places, **more)
    return ClaimLoop(work, clock, ledger.rung.append)


def errands(clock: StoreClock, count: int, in_seconds: float = 0.0) -> list[Errand]:
    return [Errand(f"{number}", clock.now() + in_seconds) for number in range(count)]


async def settle_down() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_claim_is_acted_on_at_its_instant() -> None:
    clock = StoreClock()
    now = clock.now()
    due = {"late": now + 0.3, "soon": now + 0.1, "overdue": now - 5}
    ledger, actor = Ledger([Errand(name, at) for name, at in due.items()]), Actor(clock)
    actor.open.set()

    await make_loop(ledger, actor, clock).look(HERE)

    assert await actor.until(actor.begun, 3) == ["overdue", "soon", "late"]
    # A timer may fire a little before its time, by the resolution of the clock.
    assert all(actor.begun_at[name] > at - 0.002 for name, at in due.items())


async def test_the_lease_outlives_the_longest_action() -> None:
    clock = StoreClock()
    ledger = Ledger()
    await make_loop(ledger, Actor(clock), clock).look(THERE)
    assert ledger.asked_for == [(1, LONGEST_SECONDS + LEASE_MARGIN_SECONDS, 200)]


async def test_no_more_act_at_once_than_there_are_places() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 5)), Actor(clock)
    await make_loop(ledger, actor, clock, places=2).look(HERE)
    await actor.until(actor.begun, 2)
    await settle_down()
    assert actor.begun == ["0", "1"]
    actor.open.set()
    assert await actor.until(actor.ended, 5) == ["0", "1", "2", "3", "4"]


async def test_a_worker_claims_no_more_than_it_has_room_for_and_rings_for_the_rest() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 40)), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=2)

    await loop.look(HERE)

    assert loop.held == 32
    assert [limit for _, _, limit in ledger.asked_for] == [32]
    assert ledger.rung == [0]
    await loop.drain(0)


async def test_a_claim_that_was_not_full_needs_no_further_ring() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 3, in_seconds=60)), Actor(clock)
    loop = make_loop(ledger, actor, clock)
    await loop.look(HERE)
    assert ledger.rung == []
    await loop.drain(0)


async def test_a_full_worker_looks_again_when_it_has_room_and_once_for_many_rings() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 17)), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=1)
    await loop.look(HERE)
    assert loop.held == 16

    looks = [asyncio.create_task(loop.look(HERE)) for _ in range(5)]
    await settle_down()
    assert len(ledger.asked_for) == 1
    actor.open.set()
    await asyncio.wait_for(asyncio.gather(*looks), PATIENCE_SECONDS)

    await actor.until(actor.ended, 17)
    assert len(ledger.asked_for) == 2


async def test_partitions_that_wait_for_room_get_it_in_turn() -> None:
    """Under load there is always more to claim; who came first must not come first for ever."""
    clock = StoreClock()
    begun: Counter[int] = Counter()
    enough = asyncio.Event()

    async def claim(_: Partition, __: float, limit: int) -> list[Errand]:
        return errands(clock, limit)

    async def act(partition: Partition, _: Errand) -> float:
        begun[partition.number] += 1
        if begun.total() > 300:
            enough.set()
            await asyncio.Event().wait()
        return 0.0

    def ring(number: int) -> None:
        looks.append(asyncio.create_task(loop.look(Partition(number))))

    looks: list[asyncio.Task[None]] = []
    work = Work("errand", claim, act, Ledger().release, LONGEST_SECONDS, places=1)
    loop = ClaimLoop(work, clock, ring)
    for number in range(4):
        ring(number)
    await asyncio.wait_for(enough.wait(), PATIENCE_SECONDS)
    await loop.drain(0)
    await asyncio.gather(*looks)

    assert min(begun[number] for number in range(4)) > 50


async def test_room_that_was_reserved_for_a_claim_that_failed_is_free_again() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 16), away=True), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=1)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await loop.look(HERE)
    ledger.away = False
    await asyncio.wait_for(loop.look(HERE), PATIENCE_SECONDS)
    assert loop.held == 16
    await loop.drain(0)


async def test_a_claim_that_waited_too_long_for_a_place_is_dropped() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 2)), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=1)
    await loop.look(HERE)
    await actor.until(actor.begun, 1)

    clock.set(round((clock.now() + LEASE_MARGIN_SECONDS + 1) * 1000))
    actor.open.set()
    await actor.until(actor.ended, 1)
    await settle_down()

    assert actor.begun == ["0"]
    assert loop.held == 0


async def test_drain_gives_back_what_has_not_begun_and_waits_for_what_has() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 3)), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=1)
    await loop.look(HERE)
    ledger.left = [Errand("later", clock.now() + 60)]
    await loop.look(THERE)
    await actor.until(actor.begun, 1)

    draining = asyncio.create_task(loop.drain(PATIENCE_SECONDS))
    await settle_down()
    assert sorted(ledger.released) == [(0, "1"), (0, "2"), (1, "later")]
    assert not draining.done()
    actor.open.set()
    await asyncio.wait_for(draining, PATIENCE_SECONDS)

    assert actor.begun == actor.ended == ["0"]
    assert loop.held == 0


async def test_a_draining_worker_claims_nothing_more() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(), Actor(clock)
    loop = make_loop(ledger, actor, clock)
    await loop.drain(0)
    ledger.left = errands(clock, 1)
    await loop.look(HERE)
    assert ledger.asked_for == []


async def test_drain_lets_the_work_know_first() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 1)), Actor(clock)
    loop = make_loop(ledger, actor, clock, wind_down=actor.open.set)
    await loop.look(HERE)
    await actor.until(actor.begun, 1)
    await asyncio.wait_for(loop.drain(PATIENCE_SECONDS), PATIENCE_SECONDS)
    assert actor.ended == ["0"]


async def test_drain_has_bounded_patience_and_needs_no_redis() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 2)), Actor(clock)
    loop = make_loop(ledger, actor, clock, places=1)
    await loop.look(HERE)
    await actor.until(actor.begun, 1)
    ledger.away = True
    await asyncio.wait_for(loop.drain(0.01), PATIENCE_SECONDS)
    actor.open.set()
    await settle_down()
    assert (loop.held, actor.begun, actor.ended) == (0, ["0"], [])


async def test_drain_ends_although_redis_hangs() -> None:
    clock = StoreClock()
    for_ever = asyncio.Event()

    async def hangs(*_: object) -> None:
        await for_ever.wait()

    ledger, actor = Ledger(errands(clock, 3, in_seconds=60)), Actor(clock)
    work = Work("errand", ledger.claim, actor.act, hangs, LONGEST_SECONDS, 1, finish=hangs)
    loop = ClaimLoop(work, clock, ledger.rung.append)
    await loop.look(HERE)

    await asyncio.wait_for(loop.drain(0), 2 * LEASE_MARGIN_SECONDS + PATIENCE_SECONDS)

    assert loop.held == 0


async def test_an_action_that_fails_is_told_of_and_frees_its_place(caplog: pytest.LogCaptureFixture) -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 2)), Actor(clock, fails=True)
    actor.open.set()
    loop = make_loop(ledger, actor, clock, places=1)
    await loop.look(HERE)
    await actor.until(actor.begun, 2)
    await settle_down()
    assert loop.held == 0
    assert [record.getMessage() for record in caplog.records] == ["errand failed"] * 2


@pytest.mark.parametrize(("again_in", "looks"), [(0.2, 1), (5.0, 0), (None, 0)])
async def test_what_falls_due_again_before_the_next_tick_is_looked_for(again_in: float | None, looks: int) -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 3)), Actor(clock)
    actor.open.set()
    actor.again_at = clock.now() + again_in if again_in else 0.0
    loop = make_loop(ledger, actor, clock)
    await loop.look(HERE)
    await actor.until(actor.ended, 3)
    due_at, actor.again_at = actor.again_at, 0.0
    if looks:
        ledger.left = [Errand("again", due_at)]
        await actor.until(actor.begun, 4)
    await settle_down()
    assert len(ledger.asked_for) == 1 + looks
    await loop.drain(0)


async def test_nothing_is_looked_for_after_the_drain() -> None:
    clock = StoreClock()
    ledger, actor = Ledger(errands(clock, 1)), Actor(clock)
    actor.open.set()
    actor.again_at = clock.now() + 0.06
    loop = make_loop(ledger, actor, clock)
    await loop.look(HERE)
    await actor.until(actor.ended, 1)
    await settle_down()
    await loop.drain(0)
    ledger.left = errands(clock, 1)
    timer_is_over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, timer_is_over.set)
    await timer_is_over.wait()
    assert len(ledger.asked_for) == 1


def test_a_look_that_is_due_at_once_is_planned_on_the_loop_of_the_workers_too() -> None:
    """A timer for the past is another kind of object on uvloop."""
    looked: list[int] = []

    async def look(partition: Partition) -> None:
        looked.append(partition.number)

    async def plan() -> None:
        looks = OwnLooks(look)
        for seconds in (0.0, 0.0, 1.0):
            looks.within(seconds, Partition(1))
        for _ in range(5):
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(plan())
    assert looked == [1]
