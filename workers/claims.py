"""What a worker holds: claimed from the ledger, acted on at each one's own instant, given back on shutdown.

How it works. A job (a tick's or a doorbell's) makes the worker look at a partition: it claims what falls due
within the horizon, as much as there is room for, and returns; each claim becomes a task that sleeps until its
instant, waits for one of the places, and acts. So arq runs a few short jobs a second, however many calls
there are, and a slow upstream or receiver holds up no job. The horizon reaches beyond the next tick, so that
nothing falls due between two looks.

A claim that could not begin while its lease is safe is put off, or left to its lease: soon another worker may hold it.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.domain.breaker import Refused
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from app.telemetry import metrics

# A tick comes every second; the rest is what a tick and the look it leads to may be late by.
HORIZON_SECONDS = 1.6
TICK_SECONDS = 1.0
# How long a claim may outlive the longest action on it: for the record's round trip, and to be told from it.
LEASE_MARGIN_SECONDS = 5.0
_CLAIM_AT_ONCE = 200
# A look waits for room for so long at most; the next tick's look waits again. On SIGTERM arq waits for looks before
# the drain begins.
_PATIENCE_SECONDS = 2.0
# What a look of our own is ahead of what it is for: a claim's round trip, ten times over.
_AHEAD_SECONDS = 0.05
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


@dataclass(frozen=True, slots=True)
class Work(Generic[ClaimT]):
    """One kind of work: how to claim it, how to do it within `longest_seconds`, how to give it back.

    `act` returns the Unix time at which the same falls due again, 0 for never or nobody knows.
    At most `places` are done at once, and `per_second` begun in a second (0 is no bound). `wind_down` asks what has
    begun to end as soon as it can. `place` is waited in before one of the places is taken, and may say instead that
    the claim has to be put off; `put_off` records that, and returns as `act` does.
    """

    name: str
    claim: Callable[[Partition, float, int], Awaitable[Sequence[ClaimT]]]
    act: Callable[[Partition, ClaimT], Awaitable[float]]
    release: Callable[[Partition, Sequence[ClaimT]], Awaitable[None]]
    longest_seconds: float
    places: int
    per_second: float = 0.0
    wind_down: Callable[[], None] = lambda: None
    place: Callable[[ClaimT], AbstractAsyncContextManager[Refused | None]] = lambda _: nullcontext()
    put_off: Callable[[Partition, ClaimT, Refused], Awaitable[float]] = _leave_to_lease


class ClaimLoop(Generic[ClaimT]):
    """Looks at partitions when told to, and works off what it claims there."""

    def __init__(self, work: Work[ClaimT], clock: StoreClock, ring: Callable[[int], None]) -> None:
        """`ring` makes any worker look at a partition again, when this one left something due there."""
        self._work = work
        self._clock = clock
        self._ring = ring
        self._lease_seconds = work.longest_seconds + LEASE_MARGIN_SECONDS
        self._places = asyncio.Semaphore(work.places)
        self._room = asyncio.Event()
        self._room.set()
        # Whoever waits for room gets it in turn: the first would otherwise be the first every time.
        self._turn = asyncio.Lock()
        self._most_held = _most_held(work)
        self._reserved = 0
        self._about_to_look: set[int] = set()
        self._sleeping: dict[asyncio.Task[None], tuple[Partition, ClaimT]] = {}
        self._acting: set[asyncio.Task[None]] = set()
        self._own_looks = OwnLooks(self.look)
        self._draining = False

    @property
    def held(self) -> int:
        return len(self._sleeping) + len(self._acting)

    async def look(self, partition: Partition) -> None:
        """Claim what falls due in a partition, and start working it off."""
        if partition.number in self._about_to_look:
            # Whoever is about to look has not looked yet, and so sees what this ring is about.
            return
        self._about_to_look.add(partition.number)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._turn:
                await self._room.wait()
                limit = self._free()
                self._reserved += limit
                self._count()
        except TimeoutError:
            return
        finally:
            self._about_to_look.discard(partition.number)
        if limit and await self._claim(partition, limit) == limit:
            self._ring(partition.number)

    async def drain(self, patience_seconds: float) -> None:
        """Give back what has not begun, and wait for what has."""
        self._draining = True
        self._own_looks.stop()
        self._work.wind_down()
        self._room.set()
        sleeping = list(self._sleeping.items())
        by_partition: dict[Partition, list[ClaimT]] = {}
        for task, (partition, claim) in sleeping:
            task.cancel()
            by_partition.setdefault(partition, []).append(claim)
        try:
            for partition, claims in by_partition.items():
                await self._work.release(partition, claims)
        except StoreUnavailable as error:
            log.warning("claims are left to their leases", extra={"claims": len(sleeping), "reason": str(error)})
        if self._acting:
            await asyncio.wait(set(self._acting), timeout=patience_seconds)

    async def _claim(self, partition: Partition, limit: int) -> int:
        try:
            claims = await self._work.claim(partition, self._lease_seconds, limit)
            for claim in claims:
                self._hold(partition, claim)
        finally:
            self._reserved -= limit
            self._count()
        return len(claims)

    def _free(self) -> int:
        return 0 if self._draining else max(0, min(_CLAIM_AT_ONCE, self._most_held - self.held - self._reserved))

    def _hold(self, partition: Partition, claim: ClaimT) -> None:
        lease_ends = max(claim.due_at, self._clock.now()) + self._lease_seconds
        task = asyncio.create_task(self._run(partition, claim, lease_ends))
        self._sleeping[task] = (partition, claim)
        task.add_done_callback(self._let_go)
        self._count()

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._sleeping.pop(task, None)
        self._acting.discard(task)
        self._count()
        if not task.cancelled() and (error := task.exception()):
            # Its lease ends, and it is claimed again: nothing is lost but time.
            log.error("%s failed", self._work.name, exc_info=error)

    def _count(self) -> None:
        metrics.IN_FLIGHT.labels(self._work.name).set(self.held)
        if self.held + self._reserved < self._most_held or self._draining:
            self._room.set()
        else:
            self._room.clear()

    async def _run(self, partition: Partition, claim: ClaimT, lease_ends: float) -> None:
        wait = claim.due_at - self._clock.now()
        if wait > 0:
            await asyncio.sleep(wait)
        async with self._work.place(claim) as refused:
            if refused:
                again_at = await self._put_off(partition, claim, refused)
            else:
                again_at = await self._act(partition, claim, lease_ends)
        wait = again_at - self._clock.now()
        if again_at and wait < TICK_SECONDS and not self._draining:
            self._own_looks.within(wait, partition)

    async def _act(self, partition: Partition, claim: ClaimT, lease_ends: float) -> float:
        async with self._places:
            now = self._clock.now()
            if now <= lease_ends - self._work.longest_seconds:
                self._begin()
                return await self._work.act(partition, claim)
        if now > lease_ends:
            return 0.0
        return await self._put_off(partition, claim, Refused(until=now, down_since=now))

    async def _put_off(self, partition: Partition, claim: ClaimT, refused: Refused) -> float:
        self._begin()
        return await self._work.put_off(partition, claim, refused)

    def _begin(self) -> None:
        task = asyncio.current_task()
        if task in self._sleeping:
            del self._sleeping[task]
            self._acting.add(task)


class OwnLooks:
    """Looks for what falls due before the next tick would find it: the ticks alone would make it late.

    One look at a partition claims all that falls due within the horizon, so the earliest look is enough.
    """

    def __init__(self, look: Callable[[Partition], Awaitable[None]]) -> None:
        self._look = look
        # With the time of each: of a timer that is due at once uvloop cannot tell it.
        self._timers: dict[int, tuple[float, asyncio.TimerHandle]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    def within(self, seconds: float, partition: Partition) -> None:
        """Look at a partition before so many seconds are over."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds - _AHEAD_SECONDS)
        if partition.number in self._timers:
            planned, timer = self._timers[partition.number]
            if planned <= when:
                return
            timer.cancel()
        self._timers[partition.number] = (when, loop.call_at(when, self._begin, partition))

    def stop(self) -> None:
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _begin(self, partition: Partition) -> None:
        del self._timers[partition.number]
        task = asyncio.create_task(self._try(partition))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _try(self, partition: Partition) -> None:
        try:
            await self._look(partition)
        except StoreUnavailable as error:
            log.warning("nothing claimed, the next tick will", extra={"reason": str(error)})


def _most_held(work: Work[ClaimT]) -> int:
    """Return how many claims to hold: no more than can begin before their leases end."""
    most = work.places * _HELD_PER_PLACE
    return min(most, math.ceil(work.per_second * HORIZON_SECONDS)) if work.per_second else most
