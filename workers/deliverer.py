"""Delivering to one claimed subscription: its events in order, each signed, sent, judged and recorded."""

import logging
import random
from collections.abc import Mapping, Sequence
from typing import Literal

from app.domain import signing
from app.domain.event import event_id, payload
from app.domain.retry import AttemptResult, Delivered, Exhausted, Gone, Responded, RetryAt, Unreachable, Verdict, judge
from app.domain.retry_after import retry_after_seconds
from app.domain.signing import secret_key
from app.domain.subscription import SubscriptionStatus
from app.outbound.callback import CallbackClient
from app.outbound.http import Answer, Exchange, NoAnswer
from app.queue import Doorbell
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.deliveries import ClaimedOutbox, DeliveryStore, LoggedAttempt, PendingEvent, Settlement
from app.store.keys import Partition
from app.store.subscriptions import SubscriptionStore
from app.store.watches import Recorded
from app.telemetry import metrics
from workers.batching import Batcher
from workers.claims import LEASE_MARGIN_SECONDS, Work
from workers.signing_keys import SigningKeys

# Events of one subscription that are fetched at once: a whole call, as a rule.
_EVENTS_EACH = 10

Outcome = Literal["delivered", "retry", "failed", "gone"]

log = logging.getLogger(__name__)


class Deliverer:
    """The deliver worker's work."""

    def __init__(
        self,
        *,
        deliveries: DeliveryStore,
        subscriptions: SubscriptionStore,
        callbacks: CallbackClient,
        keys: SigningKeys,
        clock: StoreClock,
        doorbell: Doorbell,
        schedule: Sequence[float],
    ) -> None:
        self._deliveries = deliveries
        self._subscriptions = subscriptions
        self._callbacks = callbacks
        self._keys = keys
        self._clock = clock
        self._doorbell = doorbell
        self._schedule = schedule
        self._lease_seconds = 0.0
        self._winding_down = False
        self._records: Batcher[Settlement, Recorded] = Batcher(deliveries.settle, LEASE_MARGIN_SECONDS)
        # Spreads out what failed together; nothing that must not be guessed.
        self._random = random.Random()  # noqa: S311

    def work(self, *, places: int, timeout_seconds: float, horizon_seconds: float) -> Work[ClaimedOutbox]:
        """Describe this work to a claim loop."""
        self._lease_seconds = timeout_seconds + LEASE_MARGIN_SECONDS

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
            timeout_seconds,
            places,
            wind_down=self.wind_down,
        )

    def wind_down(self) -> None:
        """Go on with no subscription any more: the event under way is recorded, the next is another worker's."""
        self._winding_down = True

    async def deliver(self, partition: Partition, claim: ClaimedOutbox) -> float:
        """Deliver the claimed events one after the other, as long as each one arrives.

        Returns when the one that did not is to be tried again, 0 when there is none.
        """
        try:
            return await self._deliver_in_order(partition, claim)
        except StoreUnavailable as error:
            log.warning(
                "a delivery could not be recorded, it will be done again",
                extra={"subscription_id": claim.subscription_id, "reason": str(error)},
            )
            return 0.0

    async def _deliver_in_order(self, partition: Partition, claim: ClaimedOutbox) -> float:
        wanted = [one for one in claim.events if claim.destination.events.wants(one.event.type)]
        if not wanted:
            await self._settle(partition, _passed_over(claim))
            return 0.0
        keys = await self._keys_of(claim)
        if not keys:
            log.error("a tenant without signing secret gets nothing", extra={"tenant_id": claim.tenant_id})
            return 0.0
        failures, cursor = claim.failures, claim.cursor
        for place, pending in enumerate(wanted):
            result, attempt_ms, exchange = await self._attempt(claim, pending, keys)
            now = self._clock.now()
            verdict = judge(result, failures, now, self._schedule, self._random.random())
            attempt = _logged(pending, now, attempt_ms, exchange, verdict)
            self._tell(claim, pending, attempt)
            if isinstance(verdict, Gone):
                await self._end(claim, attempt)
                return 0.0
            goes_on = isinstance(verdict, Delivered) and place + 1 < len(wanted) and not self._winding_down
            after = wanted[place + 1].sequence - 1 if place + 1 < len(wanted) else claim.events[-1].sequence
            settlement = self._settlement(
                claim, attempt, verdict, cursor=cursor, failures=failures, after=after, goes_on=goes_on
            )
            if await self._settle(partition, settlement) is Recorded.STALE or not goes_on:
                return settlement.retry_at
            failures, cursor = 0, after
        return 0.0

    async def _keys_of(self, claim: ClaimedOutbox) -> Sequence[bytes]:
        own = claim.destination.secret
        return (secret_key(own),) if own else await self._keys.of(claim.tenant_id)

    async def _attempt(
        self, claim: ClaimedOutbox, pending: PendingEvent, keys: Sequence[bytes]
    ) -> tuple[AttemptResult, int, Exchange]:
        destination = claim.destination
        body = payload(
            claim.call,
            pending.event,
            sequence=pending.sequence,
            subscription_id=claim.subscription_id,
            metadata=destination.metadata,
        )
        headers = self._headers(destination.headers, event_id(claim.call, pending.event), keys, body)
        exchange = await self._callbacks.post(destination.callback_url, headers, body)
        metrics.ATTEMPT_SECONDS.observe(exchange.duration_seconds)
        duration_ms = round(exchange.duration_seconds * 1000)
        if isinstance(exchange, Answer):
            wait = retry_after_seconds(exchange.headers.get("retry-after"), self._clock.now())
            return Responded(exchange.status_code, wait), duration_ms, exchange
        return Unreachable(str(exchange.error)), duration_ms, exchange

    def _headers(self, own: Mapping[str, str], webhook_id: str, keys: Sequence[bytes], body: bytes) -> dict[str, str]:
        timestamp = int(self._clock.now())
        return {
            **own,
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.sign(keys, webhook_id, timestamp, body),
        }

    def _settlement(
        self,
        claim: ClaimedOutbox,
        attempt: LoggedAttempt,
        verdict: Verdict,
        *,
        cursor: int,
        failures: int,
        after: int,
        goes_on: bool,
    ) -> Settlement:
        kind: Literal["done", "retry", "park"] = "done"
        retry_at = 0.0
        if isinstance(verdict, RetryAt):
            kind = "park" if verdict.parked and not claim.parked else "retry"
            retry_at = verdict.at
        return Settlement(
            member=claim.member,
            sequence=attempt.sequence,
            cursor=cursor,
            failures=failures,
            verdict=kind,
            retry_at=retry_at,
            cursor_after=after,
            lease_seconds=self._lease_seconds if goes_on else 0.0,
            attempt=attempt,
        )

    async def _settle(self, partition: Partition, settlement: Settlement) -> Recorded:
        recorded = await self._records.submit(partition, settlement)
        if recorded is Recorded.STALE:
            metrics.STALE.labels("deliver").inc()
        elif recorded is Recorded.DONE_WITH_MORE and not settlement.lease_seconds:
            self._doorbell.ring(partition.number)
        return recorded

    async def _end(self, claim: ClaimedOutbox, attempt: LoggedAttempt) -> None:
        subscription = await self._subscriptions.get(claim.subscription_id)
        if subscription:
            await self._subscriptions.end(subscription, SubscriptionStatus.DISABLED, attempt.pack())

    def _tell(self, claim: ClaimedOutbox, pending: PendingEvent, attempt: LoggedAttempt) -> None:
        metrics.ATTEMPTS.labels(attempt.outcome).inc()
        if attempt.outcome == "delivered":
            metrics.EVENT_LATENCY.observe(max(0.0, attempt.at - pending.event.observed_at))
        log.log(
            logging.INFO if attempt.outcome == "delivered" else logging.WARNING,
            "attempt",
            extra={
                "outcome": attempt.outcome,
                "event_type": pending.event.type,
                "sequence": pending.sequence,
                "subscription_id": claim.subscription_id,
                "call_sid": claim.call.call_sid,
                "status_code": attempt.status_code,
                "error": attempt.error,
                "duration_ms": attempt.duration_ms,
            },
        )


def _passed_over(claim: ClaimedOutbox) -> Settlement:
    """Move the cursor past events that the subscription does not want."""
    last = claim.events[-1].sequence
    return Settlement(claim.member, last, claim.cursor, claim.failures, "done", 0.0, last, 0.0, None)


def _logged(pending: PendingEvent, now: float, duration_ms: int, exchange: Exchange, verdict: Verdict) -> LoggedAttempt:
    match exchange:
        case Answer():
            status_code, error, excerpt = exchange.status_code, "", exchange.body
        case NoAnswer():
            status_code, error, excerpt = 0, str(exchange.error), b""
    return LoggedAttempt(
        sequence=pending.sequence,
        at=now - duration_ms / 1000,
        status_code=status_code,
        error=error,
        duration_ms=duration_ms,
        excerpt=excerpt,
        outcome=_outcome(verdict),
    )


def _outcome(verdict: Verdict) -> Outcome:
    match verdict:
        case Delivered():
            return "delivered"
        case RetryAt():
            return "retry"
        case Exhausted():
            return "failed"
        case Gone():
            return "gone"
