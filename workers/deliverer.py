"""The deliver worker's work: what is claimed is given a place, a turn, and its record."""

import logging
from collections.abc import Sequence

from app.domain.breaker import Refused
from app.domain.errors import RingbackError
from app.domain.signing import secret_key
from app.domain.subscription import SubscriptionStatus
from app.queue import Doorbell
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.deliveries import ClaimedOutbox, DeliveryStore, LoggedAttempt, Settlement
from app.store.keys import Partition
from app.store.subscriptions import SubscriptionStore
from app.store.watches import Recorded
from app.telemetry import metrics
from workers.attempts import Attempts
from workers.batching import Batcher
from workers.claims import LEASE_MARGIN_SECONDS, Work
from workers.destinations import Destinations, Target
from workers.signing_keys import SigningKeys
from workers.turn import Desk, Rules, Turn

# Events of one subscription that are fetched at once: a whole call, as a rule.
_EVENTS_EACH = 10
# A destination that is down is waited for as long as the schedule lasts, and for a day at least: by then somebody
# has seen it.
_PATIENCE_SECONDS = 86400.0
_JITTER = 1.2

# A claim that was held for longer, until it was due or for a place, is looked at again before anything is sent: its
# subscription may have been cancelled, paused or changed. It is a round trip, and most claims are acted on at once.
_HELD_SECONDS = 0.02
# After these somebody has something to do now that this worker does not go on with.
_DUE_NOW = (Recorded.STALE, Recorded.DUE_ANEW)

_STALE = metrics.STALE.labels("deliver")
_LEASES_LOST = metrics.LEASES_LOST.labels("deliver")

log = logging.getLogger(__name__)


class NothingSigns(RingbackError):
    """There is no secret to sign with: the tenant has gone."""


class Deliverer:
    """The deliver worker's work."""

    def __init__(
        self,
        *,
        deliveries: DeliveryStore,
        subscriptions: SubscriptionStore,
        attempts: Attempts,
        destinations: Destinations,
        keys: SigningKeys,
        clock: StoreClock,
        doorbell: Doorbell,
        schedule: Sequence[float],
        timeout_seconds: float,
    ) -> None:
        """`schedule` and `timeout_seconds`, which bounds an attempt, are in seconds."""
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._destinations = destinations
        self._keys = keys
        self._clock = clock
        self._doorbell = doorbell
        self._timeout_seconds = timeout_seconds
        patience = max(_PATIENCE_SECONDS, sum(schedule) * _JITTER)
        self._rules = Rules(schedule, timeout_seconds + LEASE_MARGIN_SECONDS, patience)
        self._winding_down = False
        self._desk = Desk(
            attempts, destinations, self._settle, self._end, lambda: self._winding_down, clock.now, self._keys_of
        )
        self._records: Batcher[Settlement, Recorded] = Batcher(deliveries.settle, LEASE_MARGIN_SECONDS)
        self._looks: Batcher[ClaimedOutbox, bool] = Batcher(deliveries.still_stand, LEASE_MARGIN_SECONDS)

    def work(self, *, places: int, horizon_seconds: float) -> Work[ClaimedOutbox]:
        """Describe this work to a claim loop."""

        async def claim(partition: Partition, lease_seconds: float, limit: int) -> Sequence[ClaimedOutbox]:
            return await self._deliveries.claim(
                partition,
                horizon_seconds=horizon_seconds,
                lease_seconds=lease_seconds,
                limit=limit,
                events_each=_EVENTS_EACH,
            )

        return Work(
            "deliver",
            claim,
            self.deliver,
            self._deliveries.release,
            self._timeout_seconds,
            places,
            wind_down=self.wind_down,
            records=self._records,
            place=lambda claim: self._destinations.place(Target.of(claim)),
            put_off=self.put_off,
        )

    def wind_down(self) -> None:
        """Go on with no subscription any more: the event under way is recorded, the next is another worker's."""
        self._winding_down = True

    async def deliver(self, partition: Partition, claim: ClaimedOutbox) -> float:
        """Deliver the claimed events one after the other, as long as each one arrives.

        Returns when the one that did not is to be tried again, 0 when there is none.
        """
        try:
            turn = self._turn(partition, claim)
            if self._clock.now() - claim.claimed_at > _HELD_SECONDS and not await self._looks.submit(partition, claim):
                return await turn.let_go()
            return await turn.take()
        except StoreUnavailable as error:
            return _unrecorded(claim, error)
        except NothingSigns as error:
            about = {"tenant_id": claim.tenant_id, "subscription_id": claim.subscription_id}
            # To be expected while a tenant is being deleted; what is claimed here is cancelled next.
            log.warning(str(error), extra=about)
            _LEASES_LOST.inc()
            return 0.0

    async def put_off(self, partition: Partition, claim: ClaimedOutbox, refused: Refused) -> float:
        """Record that a claim waits for its destination; returns until when."""
        try:
            return await self._turn(partition, claim).put_off(refused)
        except StoreUnavailable as error:
            return _unrecorded(claim, error)

    def _turn(self, partition: Partition, claim: ClaimedOutbox) -> Turn:
        return Turn(partition, claim, self._desk, self._rules)

    async def _keys_of(self, claim: ClaimedOutbox) -> tuple[bytes, ...]:
        """Return what signs at this moment: the subscription's own secret, else its tenant's."""
        own = claim.destination.secret
        keys = (secret_key(own),) if own else await self._keys.of(claim.tenant_id)
        if not keys:
            raise NothingSigns("a tenant without signing secret gets nothing")
        return keys

    async def _settle(self, partition: Partition, settlement: Settlement) -> Recorded:
        recorded = await self._records.submit(partition, settlement)
        if recorded is Recorded.STALE:
            _STALE.inc()
        if recorded in _DUE_NOW or (recorded is Recorded.DONE_WITH_MORE and not settlement.lease_seconds):
            self._doorbell.ring(partition.number)
        return recorded

    async def _end(self, claim: ClaimedOutbox, attempt: LoggedAttempt) -> bool:
        subscription = await self._subscriptions.get(claim.subscription_id)
        return subscription is not None and await self._subscriptions.end(
            subscription, SubscriptionStatus.DISABLED, attempt.pack(), unless_changed_since=claim.changed
        )


def _unrecorded(claim: ClaimedOutbox, error: StoreUnavailable) -> float:
    _LEASES_LOST.inc()
    log.warning(
        "a delivery could not be recorded, it will be done again",
        extra={"subscription_id": claim.subscription_id, "reason": str(error)},
    )
    return 0.0
