"""One attempt: an event signed, POSTed and told of."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from app.domain import ids
from app.domain.echoes import without_echoes
from app.domain.event import event_id, payload
from app.domain.retry import AttemptResult, Responded, Unreachable
from app.domain.retry_after import retry_after_seconds
from app.domain.signing import signed_headers
from app.domain.timestamps import unix_seconds
from app.outbound.callback import CallbackClient
from app.outbound.http import Answer, Exchange, NoAnswer
from app.store.clock import StoreClock
from app.store.deliveries import AttemptOutcome, ClaimedOutbox, LoggedAttempt, PendingEvent
from app.telemetry import metrics

log = logging.getLogger(__name__)

# Bound to their labels once: that costs as much as all the rest of counting.
_ATTEMPTS = {outcome: metrics.ATTEMPTS.labels(outcome) for outcome in get_args(AttemptOutcome)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was made; it ended at `ended_at`, in Unix seconds."""

    pending: PendingEvent
    ended_at: float
    exchange: Exchange
    result: AttemptResult

    def logged(self, outcome: AttemptOutcome) -> LoggedAttempt:
        """Return the record of it, with what it has led to."""
        match self.exchange:
            case Answer():
                status_code, error, excerpt = self.exchange.status_code, "", self.exchange.body
            case NoAnswer():
                status_code, error, excerpt = 0, str(self.exchange.error), b""
        return LoggedAttempt(
            sequence=self.pending.sequence,
            at=self.ended_at - self.exchange.duration_seconds,
            status_code=status_code,
            error=error,
            duration_ms=round(self.exchange.duration_seconds * 1000),
            excerpt=excerpt,
            outcome=outcome,
        )


class Attempts:
    """Makes attempts."""

    def __init__(self, callbacks: CallbackClient, clock: StoreClock) -> None:
        self._callbacks = callbacks
        self._clock = clock

    async def make(self, claim: ClaimedOutbox, pending: PendingEvent, keys: Sequence[bytes]) -> Attempt:
        """Send one of the claimed events; whatever becomes of that is an attempt."""
        destination = claim.destination
        body = payload(
            claim.call,
            pending.event,
            sequence=pending.sequence,
            subscription_id=claim.subscription_id,
            metadata=destination.metadata_at(pending.sequence),
        )
        webhook_id = event_id(claim.call, pending.event)
        signed = signed_headers(keys, webhook_id, int(self._clock.now()), body)
        headers = {**destination.headers, "content-type": "application/json", **signed}
        exchange = await self._callbacks.post(destination.callback_url, headers, body)
        metrics.ATTEMPT_SECONDS.observe(exchange.duration_seconds)
        if destination.headers and isinstance(exchange, Answer):
            kept = without_echoes(exchange.body, destination.headers.values(), truncated=exchange.truncated)
            exchange = replace(exchange, body=kept)
        return Attempt(pending, self._clock.now(), exchange, self._result(exchange))

    def _result(self, exchange: Exchange) -> AttemptResult:
        if isinstance(exchange, Answer):
            wait = retry_after_seconds(exchange.headers.get("retry-after"), self._clock.now())
            return Responded(exchange.status_code, wait)
        return Unreachable(str(exchange.error))


def tell(claim: ClaimedOutbox, pending: PendingEvent, attempt: LoggedAttempt) -> None:
    """Count an attempt and write its line in the log."""
    _ATTEMPTS[attempt.outcome].inc()
    if attempt.outcome == "delivered":
        _observe_latencies(claim, pending, attempt.at + attempt.duration_ms / 1000)
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


def _observe_latencies(claim: ClaimedOutbox, pending: PendingEvent, accepted_at: float) -> None:
    """Tell how old an event was when its receiver accepted it; before there was a subscription nobody waited for it."""
    event = pending.event
    made_at = ids.made_at(claim.subscription_id)
    occurred_at = unix_seconds(event.occurred_at) or event.observed_at
    metrics.EVENT_LATENCY.observe(max(0.0, accepted_at - max(occurred_at, made_at)))
    metrics.DELIVERY_LATENCY.observe(max(0.0, accepted_at - max(event.observed_at, made_at)))
