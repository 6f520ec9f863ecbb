"""Polling one claimed call: ask, decide, record, and wake up whoever delivers."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from app.domain import cadence
from app.domain.cadence import Failed, Pace, PollAgain, PollOutcome, Step, Unauthorized
from app.domain.call import LOST, PHASES
from app.domain.event import Event, LostReason
from app.outbound.upstream import UpstreamClient
from app.queue import Doorbell, NewsBell
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from app.store.watches import ClaimedPoll, PolledStep, Recorded, WatchStore
from app.telemetry import metrics
from workers.batching import LINGER_SECONDS, Batcher
from workers.claims import LEASE_MARGIN_SECONDS, TICK_SECONDS, Work
from workers.politeness import Politeness
from workers.spans import PollSpans

if TYPE_CHECKING:
    from app.telemetry.tracing import OpenSpan

log = logging.getLogger(__name__)

_NOT_RECORDED = "a poll could not be recorded, it will be done again"
# Bound to their labels once: that costs as much as all the rest of counting.
_POLLS = {kind: metrics.POLLS.labels(kind.__name__.lower()) for kind in get_args(PollOutcome)}
_EVENTS = {name: metrics.EVENTS.labels(f"call.{name}") for name in (*PHASES, LOST)}
_OTHER_EVENTS = metrics.EVENTS.labels("other")
_LOST = {reason: metrics.CALLS_LOST.labels(reason) for reason in get_args(LostReason)}
_STALE = metrics.STALE.labels("poll")
_LEASES_LOST = metrics.LEASES_LOST.labels("poll")


@dataclass(slots=True, eq=False)
class _Done:
    """A poll that was answered at `at`, in Unix seconds, and its span, where it has one."""

    polled: PolledStep
    outcome: PollOutcome
    at: float
    span: "OpenSpan | None"

    @property
    def fields(self) -> dict[str, object]:
        """What its line in the log says."""
        claim, step, asked_at = self.polled.claimed, self.polled.step, self.polled.polled_at
        fields = {
            **_names(claim),
            "outcome": type(self.outcome).__name__.lower(),
            "status": step.watch.snapshot.status,
            "events": [event.type for event in step.events],
            "duration_ms": round((self.at - asked_at) * 1000),
            "late_ms": max(0, round((asked_at - claim.due_at) * 1000)),
        }
        if isinstance(self.outcome, Failed):
            fields.update(error=self.outcome.cause, failures=step.watch.trouble.failures)
        return {**fields, **self.span.fields} if self.span else fields

    def end(self, record: str) -> None:
        """End its span with what became of its record."""
        if self.span:
            events = [event.type for event in self.polled.step.events]
            about = {"ringback.outcome": type(self.outcome).__name__.lower(), "ringback.record": record}
            failed = isinstance(self.outcome, Failed | Unauthorized)
            self.span.end({**about, "ringback.events": events}, failed=failed)


class Poller:
    """The poll worker's work: one request for all subscribers of a call."""

    def __init__(
        self,
        *,
        watches: WatchStore,
        upstream: UpstreamClient,
        clock: StoreClock,
        doorbell: Doorbell,
        news: NewsBell,
        pace: Pace,
        politeness: Politeness,
        spans: PollSpans | None = None,
    ) -> None:
        self._watches = watches
        self._upstream = upstream
        self._clock = clock
        self._doorbell = doorbell
        self._news = news
        self._pace = pace
        self._politeness = politeness
        self._spans = spans
        self._records: Batcher[PolledStep, Recorded] = Batcher(watches.commit, LEASE_MARGIN_SECONDS, self._lingered)
        # Spreads out what failed together; nothing that must not be guessed.
        self._random = random.Random()  # noqa: S311

    def work(self, *, places: int, timeout_seconds: float, horizon_seconds: float) -> Work[ClaimedPoll]:
        """Describe this work to a claim loop."""

        async def claim(partition: Partition, lease_seconds: float, limit: int) -> Sequence[ClaimedPoll]:
            claims = await self._watches.claim(
                partition, horizon_seconds=horizon_seconds, lease_seconds=lease_seconds, limit=limit
            )
            return await self._politeness.admit(partition, claims)

        return Work(
            "poll",
            claim,
            self.poll,
            self._watches.release,
            timeout_seconds,
            places,
            finish=self.finish,
            records=self._records,
        )

    async def poll(self, partition: Partition, claim: ClaimedPoll) -> float:
        """Poll one call and record what came of it; return when it is due again, 0 when never or unknown."""
        if not self._politeness.may_begin(claim):
            return await self._politeness.put_off(partition, claim)
        asked_at = self._clock.now()
        outcome = await self._upstream.status(claim.watch.key, claim.watch.snapshot.fingerprint)
        now = self._clock.now()
        self._politeness.report(claim, outcome)
        step = cadence.after_poll(claim.watch, outcome, now, self._pace, self._random.random(), now - asked_at)
        _POLLS[type(outcome)].inc()
        metrics.POLL_LATENESS.observe(max(0.0, asked_at - claim.due_at))
        metrics.POLL_SECONDS.observe(now - asked_at)
        span = self._spans.of(claim, outcome, step, now - asked_at) if self._spans else None
        done = _Done(PolledStep(claim, step, asked_at, span.context if span else None), outcome, now, span)
        if isinstance(outcome, Failed):
            log.warning("poll failed", extra=done.fields)
        if _may_linger(step, now):
            done.end("not_awaited")
            self._records.linger(partition, done.polled)
            return 0.0
        return await self._record(partition, done)

    async def finish(self) -> None:
        """Wait until everything is recorded."""
        await self._records.flush()

    async def _record(self, partition: Partition, done: "_Done") -> float:
        step = done.polled.step
        try:
            recorded = await self._records.submit(partition, done.polled)
        except StoreUnavailable as error:
            _LEASES_LOST.inc()
            done.end("not_recorded")
            log.warning(_NOT_RECORDED, extra={**done.fields, "reason": str(error)})
            return 0.0
        done.end("stale" if recorded is Recorded.STALE else "recorded")
        if recorded is Recorded.STALE:
            _STALE.inc()
        else:
            if recorded is Recorded.DONE_WITH_MORE:
                self._doorbell.ring(partition.number)
            for event in step.events:
                _count(event)
            if step.events:
                self._news.ring(partition.number)
                log.info("call changed", extra=done.fields)
        return step.following.at if isinstance(step.following, PollAgain) else 0.0

    @staticmethod
    def _lingered(polled: PolledStep, recorded: Recorded | Exception) -> None:
        match recorded:
            case Recorded.STALE:
                _STALE.inc()
            case StoreUnavailable():
                _LEASES_LOST.inc()
                log.warning(_NOT_RECORDED, extra={**_names(polled.claimed), "reason": str(recorded)})
            case Exception():
                _LEASES_LOST.inc()
                log.error(_NOT_RECORDED, extra=_names(polled.claimed), exc_info=recorded)


def _count(event: Event) -> None:
    _EVENTS.get(event.name, _OTHER_EVENTS).inc()
    if event.name == LOST:
        _LOST[event.reason].inc()


def _may_linger(step: Step, now: float) -> bool:
    """Whether a record may wait for others: nothing new, and due again after a tick that comes when it is written."""
    return (
        not step.events
        and isinstance(step.following, PollAgain)
        and step.following.at - now > TICK_SECONDS + 2 * LINGER_SECONDS
    )


def _names(claim: ClaimedPoll) -> dict[str, object]:
    key = claim.watch.key
    return {"call_sid": key.call_sid, "account_id": key.account_id, "project_id": key.project_id}
