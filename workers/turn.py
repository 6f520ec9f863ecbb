"""One subscription's turn: its events in sequence, each attempted, judged and recorded, as far as they go.

The head is the first event that is not yet delivered. While it is delivered, the next one becomes the head. When
it fails, the turn ends and the ledger says when to go on; but a suspect's failure is followed by one try of the
event behind it, which either passes it or waits with it (`app.domain.retry`).
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.domain.breaker import Refused
from app.domain.delivery import DESTINATION_DOWN
from app.domain.retry import Delivered, Gone, RetryAt, Suspect, Verdict, judge
from app.store.deliveries import AttemptOutcome, ClaimedOutbox, LoggedAttempt, PendingEvent, SettledAs, Settlement
from app.store.keys import Partition
from app.store.watches import Recorded
from workers.attempts import Attempt, Attempts, tell, tell_given_up
from workers.destinations import Destinations, Target

# Spreads out what failed together; nothing that must not be guessed.
_random = random.Random()  # noqa: S311


@dataclass(frozen=True, slots=True)
class Rules:
    """What a turn goes by. All in seconds; `patience_seconds` is how long a dead destination is waited for."""

    schedule: Sequence[float]
    lease_seconds: float
    patience_seconds: float


@dataclass(frozen=True, slots=True)
class Desk:
    """What a turn works with: `settle` records, `end` ends the subscription, `winding_down` asks to stop soon.

    `keys` are those that sign at this moment: a turn may last for minutes, and a secret be rotated meanwhile.
    """

    attempts: Attempts
    destinations: Destinations
    settle: Callable[[Partition, Settlement], Awaitable[Recorded]]
    end: Callable[[ClaimedOutbox, LoggedAttempt], Awaitable[bool]]
    winding_down: Callable[[], bool]
    now: Callable[[], float]
    keys: Callable[[ClaimedOutbox], Awaitable[Sequence[bytes]]]


@dataclass(frozen=True, slots=True)
class _GoOn:
    """The turn goes on with the wanted event at this place."""

    place: int


@dataclass(frozen=True, slots=True)
class _Over:
    """The turn is over; the same falls due again at this Unix time, 0 when nobody knows."""

    again_at: float = 0.0


class Turn:
    """A claim being worked off."""

    def __init__(self, partition: Partition, claim: ClaimedOutbox, desk: Desk, rules: Rules) -> None:
        self._partition = partition
        self._claim = claim
        self._desk = desk
        self._rules = rules
        self._target = Target.of(claim)
        self._wanted = [one for one in claim.events if claim.destination.events.wants(one.event.type)]
        self._cursor = claim.cursor
        self._failures = claim.failures
        self._due_at = claim.slow_due_at

    async def take(self) -> float:
        """Deliver as far as it goes; returns when the same falls due again in Unix seconds, 0 when nobody knows."""
        if not self._wanted:
            last = self._claim.events[-1].sequence
            await self._settle(self._settlement(last, "done", cursor_after=last))
            return 0.0
        step: _GoOn | _Over = _GoOn(0)
        while isinstance(step, _GoOn):
            step = await self._step(step.place)
        return step.again_at

    async def let_go(self) -> float:
        """Have it claimed anew, because the subscription has changed since it was claimed; returns when that is."""
        now = self._desk.now()
        await self._settle(self._settlement(self._claim.events[0].sequence, "wait", retry_at=now))
        return now

    async def put_off(self, refused: Refused, place: int = 0) -> float:
        """Attempt nothing before the destination may be tried again; give up what has waited for it too long."""
        if not self._wanted:
            return await self.take()
        pending, now = self._wanted[place], self._desk.now()
        long_ago = now - self._rules.patience_seconds
        if refused.down_since < long_ago and pending.event.observed_at < long_ago:
            given_up = LoggedAttempt(pending.sequence, now, 0, DESTINATION_DOWN, 0, b"", "failed")
            tell_given_up(self._claim, pending, given_up)
            await self._settle(
                self._settlement(pending.sequence, "fail", given_up, retry_at=now, cursor_after=self._after(place)),
            )
            return 0.0
        again_at = self._desk.destinations.spread(self._target, refused)
        await self._settle(self._settlement(pending.sequence, "wait", retry_at=again_at))
        return again_at

    async def _step(self, place: int) -> _GoOn | _Over:
        """Attempt the head, which is at this place."""
        admission = await self._desk.destinations.admission(self._target)
        if isinstance(admission, Refused):
            return _Over(await self.put_off(admission, place))
        attempt = await self._attempt(self._wanted[place], self._failures + 1, probe=admission.probe)
        verdict = judge(
            attempt.result,
            self._failures,
            attempt.ended_at,
            self._rules.schedule,
            _random.random(),
            due_at=self._due_at,
        )
        if isinstance(verdict, Delivered):
            return await self._done(place, attempt, "done")
        if isinstance(verdict, Suspect) and self._may_be_passed(place, verdict):
            return await self._let_pass(place, attempt, verdict)
        return await self._failed(place, attempt, verdict)

    async def _attempt(self, pending: PendingEvent, number: int, *, probe: bool) -> Attempt:
        keys = await self._desk.keys(self._claim)
        attempt = await self._desk.attempts.make(self._claim, pending, keys, number)
        await self._desk.destinations.report(self._target, attempt.result, probe=probe)
        return attempt

    async def _failed(self, place: int, attempt: Attempt, verdict: Verdict) -> _Over:
        sequence = attempt.pending.sequence
        match verdict:
            case RetryAt(at):
                await self._settle(self._settlement(sequence, "retry", self._told(attempt, "retry"), retry_at=at))
                return _Over(at)
            case Suspect(at):
                kind = _kind(verdict)
                await self._settle(self._settlement(sequence, kind, self._told(attempt, "retry"), retry_at=at))
                return _Over(at)
            case Gone():
                if not await self._desk.end(self._claim, self._told(attempt, "gone")):
                    return _Over(await self.let_go())
            case _:
                told = self._told(attempt, "failed")
                await self._settle(
                    self._settlement(sequence, "fail", told, retry_at=told.at, cursor_after=self._after(place)),
                )
        return _Over()

    def _may_be_passed(self, place: int, verdict: Suspect) -> bool:
        behind = place + 1 < len(self._wanted) and not self._desk.winding_down()
        return verdict.passable and behind and not self._claim.own_lane

    async def _let_pass(self, place: int, attempt: Attempt, verdict: Suspect) -> _GoOn | _Over:
        """Try the event behind a suspect.

        The suspect's failure is recorded first, for a worker may die in between, and the lease is renewed.
        """
        head, behind = self._wanted[place], self._wanted[place + 1]
        recorded = self._settlement(
            head.sequence,
            _kind(verdict),
            self._told(attempt, "retry"),
            retry_at=verdict.at,
            lease_seconds=self._rules.lease_seconds,
        )
        if await self._settle(recorded) is not Recorded.DONE_WITH_MORE:
            return _Over(verdict.at)
        self._failures += verdict.counted
        trial = await self._attempt(behind, 1, probe=False)
        outcome = judge(trial.result, 0, trial.ended_at, self._rules.schedule, 0.0)
        if isinstance(outcome, Delivered):
            return await self._done(place + 1, trial, "pass", passed=head.sequence, retry_at=verdict.at)
        if isinstance(outcome, Gone):
            return await self._failed(place + 1, trial, outcome)
        await self._settle(
            self._settlement(behind.sequence, "wait", self._told(trial, "retry"), retry_at=verdict.at),
        )
        return _Over(verdict.at)

    async def _done(
        self,
        place: int,
        attempt: Attempt,
        kind: SettledAs,
        *,
        passed: int = 0,
        retry_at: float = 0.0,
    ) -> _GoOn | _Over:
        """Record a delivery, and go on with the one behind it."""
        goes_on = place + 1 < len(self._wanted) and not self._desk.winding_down()
        after = self._after(place)
        settlement = self._settlement(
            attempt.pending.sequence,
            kind,
            self._told(attempt, "delivered"),
            retry_at=retry_at,
            cursor_after=after,
            passed=passed,
            lease_seconds=self._rules.lease_seconds if goes_on else 0.0,
        )
        # Else the subscription was changed, paused or has ended meanwhile.
        if await self._settle(settlement) is not Recorded.DONE_WITH_MORE or not goes_on:
            return _Over(retry_at)
        self._cursor, self._failures, self._due_at = after, 0, 0.0
        return _GoOn(place + 1)

    async def _settle(self, settlement: Settlement) -> Recorded:
        return await self._desk.settle(self._partition, settlement)

    def _after(self, place: int) -> int:
        """Return the cursor once the event at a place is done with: behind it and what is not wanted."""
        if place + 1 < len(self._wanted):
            return self._wanted[place + 1].sequence - 1
        return self._claim.events[-1].sequence

    def _told(self, attempt: Attempt, outcome: AttemptOutcome) -> LoggedAttempt:
        logged = attempt.logged(outcome)
        tell(self._claim, attempt, logged)
        return logged

    def _settlement(
        self,
        sequence: int,
        verdict: SettledAs,
        attempt: LoggedAttempt | None = None,
        *,
        retry_at: float = 0.0,
        cursor_after: int = 0,
        passed: int = 0,
        lease_seconds: float = 0.0,
    ) -> Settlement:
        return Settlement(
            member=self._claim.member,
            sequence=sequence,
            cursor=self._cursor,
            failures=self._failures,
            verdict=verdict,
            attempt=attempt,
            retry_at=retry_at,
            cursor_after=cursor_after,
            passed=passed,
            lease_seconds=lease_seconds,
            changed=self._claim.changed,
        )


def _kind(verdict: Suspect) -> SettledAs:
    return "slow" if verdict.counted else "wait"
