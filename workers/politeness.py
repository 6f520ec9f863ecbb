"""What spares the upstream: claims that come in, some to begin later, some put off.

Two things stand between a claim and its poll. While the upstream fails for everybody, or recovers from that, this
worker's own judgement (`app.domain.upstream_health`) says who may ask. And where `UPSTREAM_MAX_RPS` is set, each poll
reserves its moment of its credential set's budget, which all workers share (`app.store.upstream_budgets`). A moment
that is near is waited for by the claim loop; one that is not is written down as the watch's due time, so that
nothing is held for long, and what was reserved need not be reserved again.

Without a budget, and while the upstream is well, there is nothing to do here and no round trip.
"""

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from app.domain.cadence import Pace, PollOutcome
from app.domain.upstream_budget import CredentialSet, Promise, Urgency, Wish, wish
from app.domain.upstream_health import MOST_HELD_SECONDS, Begin, Healthy, State, UpstreamHealth
from app.store.clock import StoreClock
from app.store.keys import Partition
from app.store.upstream_budgets import LONGEST_BOOKING_SECONDS, BookedOut, Reservation, Reserved, Turn, UpstreamBudgets
from app.store.watches import ClaimedPoll, PutOff, WatchStore
from app.telemetry import metrics
from workers.claims import LEASE_MARGIN_SECONDS
from workers.shortness import Shortness

log = logging.getLogger(__name__)


class Politeness:
    """Decides for this worker's claims when each may be polled."""

    def __init__(
        self,
        *,
        watches: WatchStore,
        clock: StoreClock,
        pace: Pace,
        timeout_seconds: float,
        budgets: UpstreamBudgets | None,
    ) -> None:
        """`timeout_seconds` bounds a poll; without `budgets` polls are not bounded."""
        self._watches = watches
        self._clock = clock
        self._pace = pace
        self._budgets = budgets
        self._health = UpstreamHealth(timeout_seconds + LEASE_MARGIN_SECONDS)
        self._shortness = Shortness(clock)
        # Spreads out what waits together; nothing that must not be guessed.
        self._random = random.Random()  # noqa: S311
        self._show_state()

    @property
    def state(self) -> State:
        """How the upstream is doing in this worker's eyes."""
        return self._health.state

    async def admit(self, partition: Partition, claims: Sequence[ClaimedPoll]) -> Sequence[ClaimedPoll]:
        """Return the claims that may be polled, each due when it may begin; the others are put off."""
        if self._budgets is None and isinstance(self._health.state, Healthy):
            return claims
        admitted, waiting = self._judge(claims)
        if self._budgets and admitted:
            admitted, booked = await self._reserve(self._budgets, admitted)
            metrics.POLLS_PUT_OFF.labels("budget").inc(len(booked))
            waiting += booked
        if waiting:
            await self._watches.put_off(partition, waiting)
        return admitted

    def may_begin(self, claim: ClaimedPoll) -> bool:
        """Whether a claim may still be polled now that its moment has come."""
        return self._health.may_begin(claim.watch_id) or self._is_exempt(claim, self._clock.now())

    async def put_off(self, partition: Partition, claim: ClaimedPoll) -> float:
        """Put off a claim that must not be polled any more; returns until when."""
        admitted, waiting = self._judge([claim])
        until = waiting[0].until if waiting else admitted[0].due_at
        await self._watches.put_off(partition, [PutOff(claim, until)])
        return until

    def report(self, claim: ClaimedPoll, outcome: PollOutcome) -> None:
        """Take note of what a poll came to."""
        before = self._health.state
        credentials = CredentialSet.of(claim.watch.key)
        self._health.report(claim.watch_id, credentials, outcome, self._clock.now(), self._random.random())
        if self._health.state is not before:
            self._changed(before)

    def _judge(self, claims: Sequence[ClaimedPoll]) -> tuple[list[ClaimedPoll], list[PutOff]]:
        """Ask the upstream's health about each claim."""
        before, now = self._health.state, self._clock.now()
        if isinstance(before, Healthy):
            return list(claims), []
        self._health.settle(now)
        admitted, waiting = [], []
        for claim in claims:
            if self._is_exempt(claim, now):
                admitted.append(claim)
                continue
            admission = self._health.admit(claim.watch_id, claim.due_at, now, self._random.random())
            if isinstance(admission, Begin):
                admitted.append(_due_at(claim, admission.at))
            else:
                waiting.append(PutOff(claim, self._by_deadline(claim, admission.until)))
        metrics.POLLS_PUT_OFF.labels(before.name).inc(len(waiting))
        self._changed(before)
        return admitted, waiting

    def _is_exempt(self, claim: ClaimedPoll, now: float) -> bool:
        """Whether a claim goes its own way, whatever the others do.

        The patience with a call that is denied begins anew with failures of its own. And a call at its deadline is
        asked about once more.
        """
        return bool(claim.watch.trouble.denied_since) or max(claim.due_at, now) >= self._deadline(claim)

    def _deadline(self, claim: ClaimedPoll) -> float:
        return claim.watch.registered_at + self._pace.watch_max

    def _by_deadline(self, claim: ClaimedPoll, until: float) -> float:
        return min(until, self._deadline(claim))

    async def _reserve(
        self, budgets: UpstreamBudgets, claims: Sequence[ClaimedPoll]
    ) -> tuple[list[ClaimedPoll], list[PutOff]]:
        now = self._clock.now()
        # A reserved moment that has passed is as good as none: many of them would be polled at once.
        admitted = [claim for claim in claims if _is_reserved(claim, now)]
        by_set: defaultdict[CredentialSet, list[tuple[Wish, ClaimedPoll]]] = defaultdict(list)
        for claim in claims:
            if not _is_reserved(claim, now):
                by_set[CredentialSet.of(claim.watch.key)].append((self._wish(claim, now), claim))
        for wishes in by_set.values():
            wishes.sort(key=lambda one: (one[0].urgency in _PATIENT, one[0].at))
        waiting: list[PutOff] = []
        if not by_set:
            return admitted, waiting
        reserved = await budgets.reserve({whose: [one for one, _ in wishes] for whose, wishes in by_set.items()})
        for whose, reservations in reserved.items():
            self._shortness.note(whose, reservations.behind, reservations.stretch)
            for (wanted, claim), answer in zip(by_set[whose], reservations.answers, strict=True):
                if isinstance(answer, Reserved) and answer.at <= wanted.at + MOST_HELD_SECONDS:
                    admitted.append(_due_at(claim, answer.at))
                else:
                    waiting.append(self._put_off(claim, answer, now))
        return admitted, waiting

    def _wish(self, claim: ClaimedPoll, now: float) -> Wish:
        at = max(claim.due_at, now)
        return wish(claim.watch, claim.promise, claim.polled_at, at, self._pace.in_progress_max)

    def _put_off(self, claim: ClaimedPoll, answer: Reservation, now: float) -> PutOff:
        match answer:
            case Reserved(at):
                return PutOff(claim, at, Promise.MOMENT)
            case Turn(at):
                return PutOff(claim, at, Promise.TURN)
            case BookedOut():
                return PutOff(claim, now + LONGEST_BOOKING_SECONDS * (1 + self._random.random()) / 2)

    def _changed(self, before: State) -> None:
        state = self._health.state
        if state.name == before.name:
            return
        self._show_state()
        level = logging.INFO if isinstance(state, Healthy) else logging.WARNING
        log.log(level, _SAID[state.name], extra={"state": state.name, "before": before.name})

    def _show_state(self) -> None:
        for name in _SAID:
            metrics.UPSTREAM_STATE.labels(name).set(name == self._health.state.name)


_PATIENT = (Urgency.PATIENT, Urgency.IN_TURN)
_SAID = {
    "healthy": "the upstream is well again",
    "probing": "the upstream fails for everybody, it is probed",
    "recovering": "the upstream answers again, polls are let through at a growing pace",
}


def _due_at(claim: ClaimedPoll, at: float) -> ClaimedPoll:
    return claim if at == claim.due_at else replace(claim, due_at=at, promise=Promise.NOTHING)


def _is_reserved(claim: ClaimedPoll, now: float) -> bool:
    return claim.promise is Promise.MOMENT and claim.due_at >= now
