"""Where deliveries go, so that one slow or dead receiver harms no other.

Three bounds stand between a claim and its attempt. A destination (scheme, host, port) has so many places of this
worker and no more. Whoever has not been answered well last time shares half of all places, and half of their
destination's, with the others of whom that is true; so however many hang, those that are well have the other
half. And where a destination has failed a tenant several times in a row, a breaker is open, shared by all workers:
what is due there waits, and nothing is attempted.

What is known is known of a tenant at a destination. On a host that many share, one tenant's broken endpoint says
nothing of another's; and nobody can silence others by choosing a path there that fails.

A claim that must wait for long is put off in the ledger rather than held: what is held is bounded, and would keep
the claims of others out.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.breaker import Admission, Admitted, Refused, breaker_name, counts_against, destination_of
from app.domain.retry import AttemptResult, Unreachable
from app.store.breakers import BreakerStore, digest_of
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.deliveries import ClaimedOutbox
from app.telemetry import metrics

# How many claims may be at a destination or wait there: what 100 places do in 2 s at 200 ms each.
_LARGEST_CROWD = 1000
# How many may be at or wait for all those together that have not answered well: half of what a claim loop holds.
_DOUBTFUL_PER_PLACE = 8
# When to claim again what found too many before it.
_BUSY_SECONDS = 0.5
# What waits for a destination comes back spread out, 500 a second: neither all at once when it is well again, nor
# claimed in vain by the thousand while it is not.
_SPREAD_SECONDS = 0.002
# How late this worker learns what the others have found out, and what clocks and round trips may blur.
_LEARN_SECONDS = 1.0
_OVERLAP_SECONDS = 2.0
# What is remembered of destinations, at most.
_MOST_REMEMBERED = 20_000

_OPENED, _CLOSED = (metrics.BREAKERS.labels(to) for to in ("open", "closed"))
_HELD_BY_BREAKER, _HELD_BY_CROWD = (metrics.HELD_BACK.labels(reason) for reason in ("breaker", "busy"))

log = logging.getLogger(__name__)


class Target(NamedTuple):
    """A tenant's deliveries to a destination."""

    tenant_id: str
    destination: str

    @classmethod
    def of(cls, claim: ClaimedOutbox) -> "Target":
        return cls(claim.tenant_id, destination_of(claim.destination.callback_url))

    @property
    def name(self) -> str:
        """What its breaker is known by."""
        return breaker_name(self.tenant_id, self.destination)

    @property
    def about(self) -> dict[str, str]:
        """What a line in the log says of it."""
        return {"destination": self.destination, "tenant_id": self.tenant_id}


@dataclass(slots=True)
class _Crowd:
    """Those of this worker who are at a destination, or wait for a place there."""

    places: asyncio.Semaphore
    doubtful_places: asyncio.Semaphore
    size: int = 0


class Destinations:
    """What this worker knows of the destinations, and how it shares its places among them."""

    def __init__(self, breakers: BreakerStore, clock: StoreClock, *, places: int, places_each: int) -> None:
        """`places` are all that there are; `places_each` are one destination's."""
        self._breakers = breakers
        self._clock = clock
        self._places_each = min(places_each, places)
        self._doubtful = asyncio.Semaphore(max(1, places // 2))
        self._doubtful_crowd = 0
        self._largest_doubtful_crowd = places * _DOUBTFUL_PER_PLACE
        self._crowds: dict[str, _Crowd] = {}
        self._waiting: Counter[Target] = Counter()
        # In the order in which they answered, the latest last.
        self._proven: dict[Target, None] = {}
        self._troubled: set[str] = set()
        self._refusals: dict[str, Refused] = {}
        # When the last of those that were put off comes back.
        self._last_back_at: dict[str, float] = {}
        self._learned_at = 0.0

    @asynccontextmanager
    async def place(self, target: Target) -> AsyncIterator[Refused | None]:
        """Wait for a place at a destination and hold it; or say at once that there is none for a while."""
        if refused := self._refused(target) or self._crowded(target):
            yield refused
            return
        crowd = self._crowd_at(target.destination)
        doubtful = target not in self._proven
        crowd.size += 1
        self._waiting[target] += 1
        self._doubtful_crowd += doubtful
        try:
            async with AsyncExitStack() as held:
                if doubtful:
                    await held.enter_async_context(crowd.doubtful_places)
                await held.enter_async_context(crowd.places)
                if target not in self._proven:
                    await held.enter_async_context(self._doubtful)
                yield None
        finally:
            self._doubtful_crowd -= doubtful
            self._waiting[target] -= 1
            crowd.size -= 1
            if not self._waiting[target]:
                del self._waiting[target]
            if not crowd.size:
                del self._crowds[target.destination]

    async def admission(self, target: Target) -> Admission:
        """Ask for an attempt now; one that is admitted as a probe must be reported. Raises StoreUnavailable."""
        await self._learn()
        if digest_of(target.name) not in self._troubled:
            return Admitted()
        if refused := self._refused(target):
            return refused
        admission = await self._breakers.admit(target.name)
        if admission is None:
            self._forget(target)
            return Admitted()
        if isinstance(admission, Refused):
            self._refusals[digest_of(target.name)] = admission
        return admission

    async def report(self, target: Target, result: AttemptResult, *, probe: bool) -> None:
        """Tell what came of an attempt. A ledger that is away costs the knowledge, and nothing else."""
        try:
            if counts_against(result):
                await self._failed(target, result, probe=probe)
            else:
                await self._answered(target)
        except StoreUnavailable as error:
            log.warning("a breaker could not be told", extra={**target.about, "reason": str(error)})

    def spread(self, target: Target, refused: Refused) -> float:
        """Return when to try what was refused: each a little later than the one before."""
        digest = digest_of(target.name)
        if len(self._last_back_at) > _MOST_REMEMBERED:
            self._last_back_at.clear()
        back_at = max(refused.until, self._last_back_at.get(digest, 0.0) + _SPREAD_SECONDS)
        self._last_back_at[digest] = back_at
        return back_at

    async def _failed(self, target: Target, result: AttemptResult, *, probe: bool) -> None:
        self._proven.pop(target, None)
        self._troubled.add(digest_of(target.name))
        error = result.error if isinstance(result, Unreachable) else str(result.status_code)
        if await self._breakers.failed(target.name, error, probe=probe):
            if probe:
                log.info("breaker stays open", extra={**target.about, "error": error})
            else:
                _OPENED.inc()
                log.warning("breaker open", extra={**target.about, "error": error})

    async def _answered(self, target: Target) -> None:
        self._proven.pop(target, None)
        self._proven[target] = None
        if len(self._proven) > _MOST_REMEMBERED:
            del self._proven[next(iter(self._proven))]
        if digest_of(target.name) in self._troubled:
            self._forget(target)
            if await self._breakers.succeeded(target.name):
                _CLOSED.inc()
                log.info("breaker closed", extra=target.about)

    def _refused(self, target: Target) -> Refused | None:
        refused = self._refusals.get(digest_of(target.name))
        if refused is None or refused.until <= self._clock.now():
            return None
        _HELD_BY_BREAKER.inc()
        return refused

    def _crowded(self, target: Target) -> Refused | None:
        """Refuse what would wait for long, since it would keep out the claims of others meanwhile."""
        largest = _LARGEST_CROWD
        if target not in self._proven and (
            digest_of(target.name) in self._troubled or self._doubtful_crowd >= self._largest_doubtful_crowd
        ):
            largest = self._places_each // 2
        if self._waiting[target] < largest:
            return None
        _HELD_BY_CROWD.inc()
        now = self._clock.now()
        return Refused(until=now + _BUSY_SECONDS, down_since=now)

    def _forget(self, target: Target) -> None:
        digest = digest_of(target.name)
        self._troubled.discard(digest)
        self._refusals.pop(digest, None)
        self._last_back_at.pop(digest, None)

    def _crowd_at(self, destination: str) -> _Crowd:
        if destination not in self._crowds:
            places = asyncio.Semaphore(self._places_each)
            self._crowds[destination] = _Crowd(places, asyncio.Semaphore(max(1, self._places_each // 2)))
        return self._crowds[destination]

    async def _learn(self) -> None:
        """Read which destinations have failed at other workers, or may be tried again because somebody asked."""
        now = self._clock.now()
        if now - self._learned_at < _LEARN_SECONDS:
            return
        since, self._learned_at = self._learned_at - _OVERLAP_SECONDS, now
        if len(self._troubled) > _MOST_REMEMBERED:
            self._troubled.clear()
            self._refusals.clear()
            since = 0.0
        for digest in await self._breakers.troubled_since(since):
            self._troubled.add(digest)
            self._refusals.pop(digest, None)
