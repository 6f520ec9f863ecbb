"""What workers hold in their hands: polls that were asked, and turns of deliveries, to be recorded now or late."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from app.store.deliveries import AttemptOutcome, ClaimedOutbox, LoggedAttempt, SettledAs, Settlement
from app.store.watches import ClaimedPoll, PolledStep, Recorded
from tests.protocol.truth import Call, Happening, Subscription

Deed = Literal["deliver", "fail", "fail slowly", "let pass", "put off", "give up"]


@dataclass(frozen=True, slots=True)
class HeldPoll:
    """A claimed poll, and the version that the call had then."""

    call: Call
    claim: ClaimedPoll
    version: int


@dataclass(frozen=True, slots=True)
class AskedPoll:
    """A poll that the upstream has answered, and what was new in that."""

    held: HeldPoll
    step: PolledStep
    news: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A settlement that a turn wants written, and what the truth must know to judge it."""

    turn: "Turn"
    settlement: Settlement
    skipped: tuple[int, ...]


@dataclass(slots=True)
class Turn:
    """A claimed delivery, worked off as `workers/turn.py` does: the wanted events in order, recorded one by one.

    `changes` is how often the subscription had been changed by the time of the claim; `suspect` says that the head's
    failure is recorded and the event behind it is being tried.
    """

    one: Subscription
    claim: ClaimedOutbox
    changes: int
    place: int = 0
    cursor: int = field(init=False)
    failures: int = field(init=False)
    wanted: list[int] = field(init=False)
    suspect: bool = False
    over: bool = False

    def __post_init__(self) -> None:
        self.cursor, self.failures = self.claim.cursor, self.claim.failures
        events = self.claim.destination.events
        self.wanted = [one.sequence for one in self.claim.events if events.wants(one.event.type)]

    def act(self, deed: Deed, later: float) -> Record:
        """Do one thing with the head, or with the event behind a suspect one; what is put off is so until `later`."""
        if not self.wanted:
            return self._record("done", self.claim.events[-1].sequence, "", cursor_after=self.claim.events[-1].sequence)
        if self.suspect:
            return self._beside_suspect(deed, later)
        head, after, goes_on = self.wanted[self.place], self._after(self.place), self.place + 1 < len(self.wanted)
        if deed == "deliver":
            return self._record("done", head, "delivered", cursor_after=after, goes_on=goes_on)
        if deed == "give up":
            return self._record("fail", head, "failed", retry_at=self.claim.claimed_at, cursor_after=after)
        # Only a suspect that is followed by another event can be passed.
        passable = deed == "let pass" and goes_on and not self.claim.own_lane
        verdict: SettledAs = "slow"
        if deed in {"put off", "fail"}:
            verdict = "wait" if deed == "put off" else "retry"
        return self._record(verdict, head, "" if verdict == "wait" else "retry", retry_at=later, goes_on=passable)

    def _beside_suspect(self, deed: Deed, later: float) -> Record:
        head, behind = self.wanted[self.place : self.place + 2]
        if deed != "deliver":
            return self._record("wait", behind, "retry", retry_at=later)
        goes_on, after = self.place + 2 < len(self.wanted), self._after(self.place + 1)
        return self._record(
            "pass", behind, "delivered", retry_at=later, cursor_after=after, passed=head, goes_on=goes_on
        )

    def go_on(self, record: Record, recorded: Recorded) -> None:
        """Take in what became of the record that this turn has just made."""
        one = record.settlement
        if recorded is not Recorded.DONE_WITH_MORE or not one.lease_seconds:
            self.over = True
        elif one.verdict == "slow":
            self.suspect = True
            self.failures += 1
        else:
            self.place += 2 if self.suspect else 1
            self.cursor, self.failures, self.suspect = one.cursor_after, 0, False

    def _after(self, place: int) -> int:
        if self.claim.own_lane:
            return self.claim.cursor
        return self.wanted[place + 1] - 1 if place + 1 < len(self.wanted) else self.claim.events[-1].sequence

    def _record(
        self,
        verdict: SettledAs,
        sequence: int,
        outcome: AttemptOutcome | Literal[""],
        *,
        retry_at: float = 0.0,
        cursor_after: int = 0,
        passed: int = 0,
        goes_on: bool = False,
    ) -> Record:
        attempt = LoggedAttempt(sequence, self.claim.claimed_at, 200, "", 1, b"", outcome) if outcome else None
        settlement = Settlement(
            self.claim.member, sequence, self.cursor, self.failures, verdict, attempt, retry_at, cursor_after, passed,
            3600.0 if goes_on else 0.0, self.claim.changed,
        )  # fmt: skip
        return Record(self, settlement, tuple(self._skipped(cursor_after)))

    def _skipped(self, cursor_after: int) -> Collection[int]:
        if self.claim.own_lane:
            return ()
        return [one for one in range(self.cursor + 1, cursor_after + 1) if one not in self.wanted]
