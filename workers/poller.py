"""Polling one claimed call: ask, decide, record, and wake up whoever delivers."""

import logging
import random
from collections.abc import Sequence
from typing import get_args

from app.domain import cadence
from app.domain.cadence import Failed, Pace, PollAgain, PollOutcome, Step
from app.domain.call import LOST, PHASES
from app.domain.event import Event, LostReason
from app.outbound.upstream import UpstreamClient
from app.queue import Doorbell
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from app.store.watches import ClaimedPoll, PolledStep, Recorded, WatchStore
from app.telemetry import metrics
from workers.batching import LINGER_SECONDS, Batcher
from workers.claims import LEASE_MARGIN_SECONDS, TICK_SECONDS, Work
from workers.politeness import Politeness

log = logging.getLogger(__name__)

_NOT_RECORDED = "a poll could not be recorded, it will be done again"
# Bound to their labels once: that costs as much as all the rest of counting.
_POLLS = {kind: metrics.POLLS.labels(kind.__name__.lower()) for kind in get_args(PollOutcome)}
_EVENTS = {name: metrics.EVENTS.labels(f"call.{name}") for name in (*PHASES, LOST)}
_OTHER_EVENTS = metrics.EVENTS.labels("other")
_LOST = {reason: metrics.CALLS_LOST.labels(reason) for reason in get_args(LostReason)}
_STALE = metrics.STALE.labels("poll")
_LEASES_LOST = metrics.LEASES_LOST.labels("poll")


class Poller:
    """The poll worker's work: one request for all subscribers of a call."""

    def __init__(
        self,
        *,
        watches: WatchStore,
        upstream: UpstreamClient,
        clock: StoreClock,
        doorbell: Doorbell,
        pace: Pace,
        politeness: Politeness,
    ) -> None:
        self._watches = watches
        self._upstream = upstream
        self._clock = clock
        self._doorbell = doorbell
        self._pace = pace
        self._politeness = politeness
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
        if isinstance(outcome, Failed):
            log.warning("poll failed", extra=_fields(claim, cause=outcome.cause, failures=step.watch.trouble.failures))
        polled = PolledStep(claim, step, asked_at)
        if _may_linger(step, now):
            self._records.linger(partition, polled)
            return 0.0
        return await self._record(partition, polled)

    async def finish(self) -> None:
        """Wait until everything is recorded."""
        await self._records.flush()

    async def _record(self, partition: Partition, polled: PolledStep) -> float:
        claim, step = polled.claimed, polled.step
        try:
            recorded = await self._records.submit(partition, polled)
        except StoreUnavailable as error:
            _LEASES_LOST.inc()
            log.warning(_NOT_RECORDED, extra=_fields(claim, reason=str(error)))
            return 0.0
        if recorded is Recorded.STALE:
            _STALE.inc()
        else:
            if recorded is Recorded.DONE_WITH_MORE:
                self._doorbell.ring(partition.number)
            for event in step.events:
                _count(event)
            if step.events:
                log.info("call changed", extra=_fields(claim, events=[event.type for event in step.events]))
        return step.following.at if isinstance(step.following, PollAgain) else 0.0

    @staticmethod
    def _lingered(polled: PolledStep, recorded: Recorded | Exception) -> None:
        match recorded:
            case Recorded.STALE:
                _STALE.inc()
            case StoreUnavailable():
                _LEASES_LOST.inc()
                log.warning(_NOT_RECORDED, extra=_fields(polled.claimed, reason=str(recorded)))
            case Exception():
                _LEASES_LOST.inc()
                log.error(_NOT_RECORDED, extra=_fields(polled.claimed), exc_info=recorded)


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


def _fields(claim: ClaimedPoll, **more: object) -> dict[str, object]:
    key = claim.watch.key
    return {"call_sid": key.call_sid, "account_id": key.account_id, "project_id": key.project_id, **more}
