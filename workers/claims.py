"""What a worker holds: claimed from the ledger, acted on at each one's own instant, given back on shutdown.

How it works. A job (a tick's or a doorbell's) makes the worker look at a partition: it claims what falls due
within the horizon, as much as there is room for, and returns; each claim sleeps until its instant, becomes a task that
waits for one of the places, and acts. So arq runs a few short jobs a second, however many calls there are, and
a slow upstream or receiver holds up no job. The horizon reaches beyond the next tick, so that nothing falls due
between two looks. A job that finds no room leaves word which partition is wanted, and ends too: arq asks Redis
about every job that waits fifty times a second.

A claim that could not begin while its lease is safe is put off, or left to its lease: soon another worker may hold it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from app.domain.breaker import Refused
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from app.telemetry import metrics
from workers.alarm import Alarm
from workers.batching import Batcher
from workers.own_looks import OwnLooks
from workers.progress import Sign

# A tick comes every second; the rest is what a tick and the look it leads to may be late by.
HORIZON_SECONDS = 1.6
TICK_SECONDS = 1.0
# How long a claim may outlive the longest action on it: for the record's round trip, and to be told from it.
LEASE_MARGIN_SECONDS = 5.0
_CLAIM_AT_ONCE = 200
# A worker holds claims for the whole horizon, not only those it acts on at this moment.
_HELD_PER_PLACE = 16


class Claim(Protocol):
    """What every claim tells: when it is due, in Unix seconds by the ledger's clock."""

    @property
    def due_at(self) -> float: ...


ClaimT = TypeVar("ClaimT", bound=Claim)

log = logging.getLogger(__name__)


async def _leave_to_lease(*_: object) -> float:
    return 0.0


async def _nothing_left() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Work(Generic[ClaimT]):
    """One kind of work: how to claim it, how to do it within `longest_seconds`, how to give it back.

    `act` returns the Unix time at which the same falls due again, 0 for never or nobody knows.
    At most `places` are done at once. `wind_down` asks what has begun to end as soon as it can, `finish` waits for what
    is still to be recorded, and `records` records it. `place` is waited in before one of the places is taken, and may
    say instead that the claim has to be put off; `put_off` records that, and returns as `act` does.
    """

    name: str
    claim: Callable[[Partition, float, int], Awaitable[Sequence[ClaimT]]]
    act: Callable[[Partition, ClaimT], Awaitable[float]]
    release: Callable[[Partition, Sequence[ClaimT]], Awaitable[None]]
    longest_seconds: float
    places: int
    wind_down: Callable[[], None] = lambda: None
    finish: Callable[[], Awaitable[None]] = _nothing_left
    records: Batcher[Any, Any] | None = None
    place: Callable[[ClaimT], AbstractAsyncContextManager[Refused | None]] | None = None
    put_off: Callable[[Partition, ClaimT, Refused], Awaitable[float]] = _leave_to_lease


@dataclass(slots=True, eq=False)
class _Held(Generic[ClaimT]):
    """A claim, where it belongs to, and until when it is ours, in Unix seconds by the ledger's clock."""

    partition: Partition
    claim: ClaimT
    lease_ends: float


class ClaimLoop(Generic[ClaimT]):
    """Looks at partitions when told to, and works off what it claims there. Make it inside a running loop."""

    def __init__(self, work: Work[ClaimT], clock: StoreClock, ring: Callable[[int], None]) -> None:
        """`ring` makes any worker look at a partition again, when this one left something due there."""
        self._work = work
        self._clock = clock
        self._ring = ring
        self._lease_seconds = work.longest_seconds + LEASE_MARGIN_SECONDS
        self._places = asyncio.Semaphore(work.places)
        self._most_held = work.places * _HELD_PER_PLACE
        self._worth_a_look = max(1, min(_CLAIM_AT_ONCE, self._most_held // _HELD_PER_PLACE))
        self._reserved = 0
        self._asleep: Alarm[_Held[ClaimT]] = Alarm(self._wake, clock.now)
        # Awake, but not begun: they wait for a place.
        self._waiting: dict[_Held[ClaimT], asyncio.Task[None]] = {}
        self._acting: set[asyncio.Task[None]] = set()
        # Rung for while there was no room, in order.
        self._wanted: dict[int, Partition] = {}
        self._looker: asyncio.Task[None] | None = None
        self._own_looks = OwnLooks(self.look)
        self._draining = False
        # When an action last ended, and when one last began: monotonic seconds.
        self._last_ended = self._last_begun = time.monotonic()
        metrics.IN_FLIGHT.labels(work.name).set_function(lambda: self.held)
        self._claimed = metrics.CLAIMS.labels(work.name)
        self._lost = metrics.LEASES_LOST.labels(work.name)

    @property
    def held(self) -> int:
        return len(self._asleep) + len(self._waiting) + len(self._acting)

    def signs(self) -> list[Sign]:
        """Return what tells whether all this gets on."""
        signs = [
            Sign("claims are due and not begun", self._asleep.overdue_seconds),
            Sign("all places are taken and nothing ends", self._stuck_seconds),
        ]
        if self._work.records:
            signs.append(Sign("a batch of records is not written", self._work.records.writing_seconds))
        return signs

    async def look(self, partition: Partition) -> None:
        """Claim what falls due in a partition, and start working it off: at once, or as soon as there is room."""
        limit = self._free()
        if not limit or self._wanted:
            self._wanted[partition.number] = partition
            self._look_when_there_is_room()
        elif await self._claim(partition, limit) == limit:
            self._ring(partition.number)

    async def drain(self, patience_seconds: float) -> None:
        """Give back what has not begun, wait for what has, and for its records; a Redis that hangs ends none of it.

        What is under way after `patience_seconds` is given up, and what could not be told to Redis in as long as a
        lease outlives an action is left to the leases.
        """
        self._draining = True
        self._own_looks.stop()
        self._wanted.clear()
        self._work.wind_down()
        if self._looker is not None:
            self._looker.cancel()
        begun = asyncio.get_running_loop().time()
        await self._give_back()
        if self._acting:
            left = begun + patience_seconds - asyncio.get_running_loop().time()
            await asyncio.wait(set(self._acting), timeout=max(0.0, left))
        try:
            async with asyncio.timeout(LEASE_MARGIN_SECONDS):
                await self._work.finish()
        except TimeoutError:
            log.warning("records are left to be made again", extra={"loop": self._work.name})
        self._lost.inc(len(self._acting))
        for task in self._acting:
            task.cancel()

    async def _give_back(self) -> None:
        not_begun = [*self._asleep.clear(), *self._waiting]
        for task in self._waiting.values():
            task.cancel()
        by_partition: dict[Partition, list[ClaimT]] = {}
        for held in not_begun:
            by_partition.setdefault(held.partition, []).append(held.claim)
        try:
            async with asyncio.timeout(LEASE_MARGIN_SECONDS):
                for partition, claims in by_partition.items():
                    await self._work.release(partition, claims)
        except (StoreUnavailable, TimeoutError) as error:
            self._lost.inc(len(not_begun))
            log.warning("claims are left to their leases", extra={"claims": len(not_begun), "reason": str(error)})

    def _look_when_there_is_room(self) -> None:
        if self._looker is None and self._wanted and self._free():
            self._looker = asyncio.create_task(self._look_at_wanted())

    async def _look_at_wanted(self) -> None:
        """Claim for one partition after the other, each as much as there is room for."""
        try:
            while self._wanted and (limit := self._free()):
                partition = self._wanted.pop(next(iter(self._wanted)))
                if await self._claim(partition, limit) == limit:
                    self._ring(partition.number)
        except StoreUnavailable as error:
            log.warning("nothing claimed, the next tick will", extra={"reason": str(error)})
        finally:
            self._looker = None

    async def _claim(self, partition: Partition, limit: int) -> int:
        self._reserved += limit
        try:
            claims = await self._work.claim(partition, self._lease_seconds, limit)
        finally:
            self._reserved -= limit
            self._look_when_there_is_room()
        self._claimed.inc(len(claims))
        now = self._clock.now()
        for claim in claims:
            lease_ends = max(claim.due_at, now) + self._lease_seconds
            self._asleep.set(claim.due_at, _Held(partition, claim, lease_ends))
        return len(claims)

    def _free(self) -> int:
        """Return how much to claim: as much as there is room for, nothing where that is not worth a round trip."""
        free = min(_CLAIM_AT_ONCE, self._most_held - self.held - self._reserved)
        return 0 if self._draining or free < self._worth_a_look else free

    def _wake(self, held: _Held[ClaimT]) -> None:
        task = asyncio.create_task(self._run(held))
        self._waiting[held] = task
        task.add_done_callback(partial(self._let_go, held))

    def _stuck_seconds(self) -> float:
        """Return for how long nothing has ended that should have, while nothing else can begin."""
        if not self._places.locked():
            return 0.0
        records = self._work.records
        last = max(self._last_begun, self._last_ended, records.last_written if records else 0.0)
        return max(0.0, time.monotonic() - last - self._lease_seconds)

    def _let_go(self, held: _Held[ClaimT], task: asyncio.Task[None]) -> None:
        self._last_ended = time.monotonic()
        self._waiting.pop(held, None)
        self._acting.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Its lease ends, and it is claimed again: nothing is lost but time.
            self._lost.inc()
            log.error("%s failed", self._work.name, exc_info=error)
        self._look_when_there_is_room()

    async def _run(self, held: _Held[ClaimT]) -> None:
        if self._work.place is None:
            again_at = await self._act(held)
        else:
            async with self._work.place(held.claim) as refused:
                again_at = await (self._put_off(held, refused) if refused else self._act(held))
        if again_at and not self._draining:
            wait = again_at - self._clock.now()
            if wait < TICK_SECONDS:
                self._own_looks.within(wait, held.partition)

    async def _act(self, held: _Held[ClaimT]) -> float:
        async with self._places:
            now = self._clock.now()
            if now <= held.lease_ends - self._work.longest_seconds:
                self._begin(held)
                return await self._work.act(held.partition, held.claim)
        if now > held.lease_ends or self._work.put_off is _leave_to_lease:
            self._lost.inc()
            return 0.0
        return await self._put_off(held, Refused(until=now, down_since=now))

    async def _put_off(self, held: _Held[ClaimT], refused: Refused) -> float:
        self._begin(held)
        return await self._work.put_off(held.partition, held.claim, refused)

    def _begin(self, held: _Held[ClaimT]) -> None:
        if task := self._waiting.pop(held, None):
            # Places that were free until now cannot have been stuck.
            self._last_begun = time.monotonic()
            self._acting.add(task)
