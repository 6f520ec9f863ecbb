"""One attempt: an event signed, POSTed and told of."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from app.domain import ids
from app.domain.breaker import destination_of
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
from workers.spans import AttemptSpans, end_attempt

if TYPE_CHECKING:
    from app.telemetry.tracing import OpenSpan

log = logging.getLogger(__name__)

# Bound to their labels once: that costs as much as all the rest of counting.
_ATTEMPTS = {outcome: metrics.ATTEMPTS.labels(outcome) for outcome in get_args(AttemptOutcome)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was made, the `number`th of its event.

    `sent_at` is the moment that was signed, to the millisecond, and `ended_at` when it ended, both in Unix seconds.
    """

    pending: PendingEvent
    number: int
    sent_at: float
    ended_at: float
    exchange: Exchange
    result: AttemptResult
    span: "OpenSpan | None" = None

    def logged(self, outcome: AttemptOutcome) -> LoggedAttempt:
        """Return the record of it, with what it has led to."""
        match self.exchange:
            case Answer():
                status_code, error, excerpt = self.exchange.status_code, "", self.exchange.body
            case NoAnswer():
                status_code, error, excerpt = 0, str(self.exchange.error), b""
        return LoggedAttempt(
            sequence=self.pending.sequence,
            at=self.sent_at,
            status_code=status_code,
            error=error,
            duration_ms=round(self.exchange.duration_seconds * 1000),
            excerpt=excerpt,
            outcome=outcome,
        )


class Attempts:
    """Makes attempts."""

    def __init__(self, callbacks: CallbackClient, clock: StoreClock, spans: AttemptSpans | None = None) -> None:
        self._callbacks = callbacks
        self._clock = clock
        self._spans = spans

    async def make(self, claim: ClaimedOutbox, pending: PendingEvent, keys: Sequence[bytes], number: int) -> Attempt:
        """Send one of the claimed events, for the `number`th time; whatever becomes of that is an attempt."""
        destination = claim.destination
        body = payload(
            claim.call,
            pending.event,
            sequence=pending.sequence,
            subscription_id=claim.subscription_id,
            metadata=destination.metadata_at(pending.sequence),
        )
        webhook_id = event_id(claim.call, pending.event)
        # Cut to what is kept of it: rounded, an attempt could be logged in the second behind the one that was signed.
        sent_at = int(self._clock.now() * 1000) / 1000
        signed = signed_headers(keys, webhook_id, int(sent_at), body)
        headers = {**destination.headers, "content-type": "application/json", **signed}
        span = self._spans.of(claim, pending, number) if self._spans else None
        if span:
            headers |= span.context.headers
        exchange = await self._callbacks.post(destination.callback_url, headers, body)
        metrics.ATTEMPT_SECONDS.observe(exchange.duration_seconds)
        if destination.headers and isinstance(exchange, Answer):
            kept = without_echoes(exchange.body, destination.headers.values(), truncated=exchange.truncated)
            exchange = replace(exchange, body=kept)
        return Attempt(pending, number, sent_at, self._clock.now(), exchange, self._result(exchange), span)

    def _result(self, exchange: Exchange) -> AttemptResult:
        if isinstance(exchange, Answer):
            wait = retry_after_seconds(exchange.headers.get("retry-after"), self._clock.now())
            return Responded(exchange.status_code, wait)
        return Unreachable(str(exchange.error))


def tell(claim: ClaimedOutbox, attempt: Attempt, told: LoggedAttempt) -> None:
    """Count an attempt, end its span and write its line in the log."""
    _ATTEMPTS[told.outcome].inc()
    if told.outcome == "delivered":
        _observe_latencies(claim, attempt.pending, _ended_at(told))
    fields = _fields(claim, attempt.pending, told, attempt.number)
    if attempt.span:
        end_attempt(attempt.span, told)
        fields.update(attempt.span.fields)
    log.log(logging.INFO if told.outcome == "delivered" else logging.WARNING, "attempt", extra=fields)


def tell_given_up(claim: ClaimedOutbox, pending: PendingEvent, told: LoggedAttempt) -> None:
    """Do the same for a delivery that is given up without a last attempt."""
    _ATTEMPTS[told.outcome].inc()
    log.warning("attempt", extra=_fields(claim, pending, told, 0))


def _fields(claim: ClaimedOutbox, pending: PendingEvent, told: LoggedAttempt, number: int) -> dict[str, object]:
    return {
        "outcome": told.outcome,
        "call_sid": claim.call.call_sid,
        "subscription_id": claim.subscription_id,
        "tenant_id": claim.tenant_id,
        "event_id": event_id(claim.call, pending.event),
        "event_type": pending.event.type,
        "sequence": pending.sequence,
        "attempt": number,
        "destination": destination_of(claim.destination.callback_url),
        "status_code": told.status_code,
        "error": told.error,
        "duration_ms": told.duration_ms,
        "latency_ms": max(0, round((_ended_at(told) - pending.event.observed_at) * 1000)),
    }


def _ended_at(told: LoggedAttempt) -> float:
    return told.at + told.duration_ms / 1000


def _observe_latencies(claim: ClaimedOutbox, pending: PendingEvent, accepted_at: float) -> None:
    """Tell how old an event was when its receiver accepted it; before there was a subscription nobody waited for it."""
    event = pending.event
    made_at = ids.made_at(claim.subscription_id)
    occurred_at = unix_seconds(event.occurred_at) or event.observed_at
    metrics.EVENT_LATENCY.observe(max(0.0, accepted_at - max(occurred_at, made_at)))
    metrics.DELIVERY_LATENCY.observe(max(0.0, accepted_at - max(event.observed_at, made_at)))
