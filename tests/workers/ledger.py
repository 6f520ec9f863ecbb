"""What worker tests do with the ledger: subscribe, write down a call's history, claim what is due."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.cadence import Answered, Pace, after_poll
from app.domain.call import CallKey
from app.domain.dialect import parse_answer
from app.domain.subscription import EventFilter
from app.outbound.callback import CallbackClient
from app.outbound.upstream import UpstreamClient
from app.resources import Resources
from app.store.breakers import BreakerStore
from app.store.deliveries import ClaimedOutbox
from app.store.keys import Partition
from app.store.subscriptions import NewSubscription
from app.store.tenants import Tenant
from app.store.watches import ClaimedPoll, KeptCall, PolledStep, Recorded
from tests.builders import LIFE, Pairs, make_body, make_key
from workers.attempts import Attempts
from workers.deliverer import Deliverer
from workers.destinations import Destinations
from workers.politeness import Politeness
from workers.poller import Poller
from workers.signing_keys import SigningKeys

_LEASE_SECONDS = 20.0
_EVENTS_EACH = 10


@dataclass(frozen=True, slots=True)
class Desk:
    """A tenant, and a short way to everything it can do with one call."""

    resources: Resources
    tenant: Tenant
    key: CallKey

    @property
    def partition(self) -> Partition:
        return self.resources.subscriptions.partition_of_call(self.key.call_sid)

    async def subscribe(
        self,
        url: str,
        *,
        events: tuple[str, ...] = (),
        metadata: dict[str, str] | None = None,
        secret: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        new = NewSubscription(self.tenant.id, self.key, url, EventFilter(events), metadata or {}, secret, headers or {})
        return (await self.resources.registrations.register(new)).id

    async def happen(self, pairs: Pairs = LIFE, seconds_ago: float = 0.0) -> None:
        """Write down what a poll that shows this history leads to."""
        now = time.time() - seconds_ago
        claim = await self.claim_poll()
        answer = parse_answer(make_body(key=self.key, pairs=pairs), self.key)
        step = after_poll(claim.watch, Answered(answer), now, Pace(), 0.5)
        recorded = await self.resources.watches.commit(self.partition, [PolledStep(claim, step, now)])
        assert Recorded.STALE not in recorded

    async def claim_poll(self, lease_seconds: float = _LEASE_SECONDS, ahead_seconds: float = 3600.0) -> ClaimedPoll:
        """Claim the call's watch, however far in the future it is due."""
        (claim,) = await self.resources.watches.claim(
            self.partition, horizon_seconds=ahead_seconds, lease_seconds=lease_seconds, limit=1
        )
        return claim

    async def claims(self, ahead_seconds: float = 3600.0, lease_seconds: float = _LEASE_SECONDS) -> list[ClaimedOutbox]:
        """Claim what there is to deliver, also what is to be retried within so many seconds."""
        return await self.resources.deliveries.claim(
            self.partition,
            horizon_seconds=ahead_seconds,
            lease_seconds=lease_seconds,
            limit=100,
            events_each=_EVENTS_EACH,
        )

    async def kept(self) -> KeptCall:
        kept = await self.resources.watches.read(self.partition, self.key.watch_id)
        assert kept is not None
        return kept

    async def deliver_all(self, deliverer: Deliverer, rounds: int = 30) -> None:
        """Deliver until nothing is left, retries at once."""
        for _ in range(rounds):
            claims = await self.claims()
            if not claims:
                return
            for claim in claims:
                await deliverer.deliver(self.partition, claim)
        raise AssertionError("there is still something to deliver")

    async def deliver_until(self, deliverer: Deliverer, done: Callable[[], bool]) -> None:
        """Deliver what is due, each retry in its time, until something holds."""
        async with asyncio.timeout(10.0):
            while not done():
                for claim in await self.claims(ahead_seconds=0.0):
                    await deliverer.deliver(self.partition, claim)
                await asyncio.sleep(0.001)

    def deliverer(
        self,
        callbacks: CallbackClient,
        schedule: tuple[float, ...] = (1.0,) * 10,
        breakers: BreakerStore | None = None,
    ) -> Deliverer:
        clock = self.resources.ledger.clock
        return Deliverer(
            deliveries=self.resources.deliveries,
            subscriptions=self.resources.subscriptions,
            attempts=Attempts(callbacks, clock),
            destinations=Destinations(breakers or self.resources.breakers, clock, places=10, places_each=10),
            keys=SigningKeys(self.resources.signing_secrets, clock),
            clock=clock,
            doorbell=self.resources.deliver_doorbell,
            schedule=schedule,
            timeout_seconds=2.0,
        )

    def poller(self, upstream: UpstreamClient, pace: Pace) -> Poller:
        watches, clock = self.resources.watches, self.resources.ledger.clock
        return Poller(
            watches=watches,
            upstream=upstream,
            clock=clock,
            doorbell=self.resources.deliver_doorbell,
            news=self.resources.news,
            pace=pace,
            politeness=Politeness(watches=watches, clock=clock, pace=pace, timeout_seconds=1.0, budgets=None),
        )


async def open_desk(resources: Resources, call_sid: str = "OUT-1") -> Desk:
    tenant = (await resources.tenants.create("crm", "acc", "proj", "connector")).tenant
    return Desk(resources, tenant, make_key(call_sid=call_sid))
