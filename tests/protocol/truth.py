"""What must be true of an installation, whatever its workers do and in which order. It knows no Redis and no clock.

The truth is told what was asked for and what was done, says what the answer has to be, and changes as the ledger must.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.store.deliveries import Settlement
from app.store.watches import Recorded

Life = Sequence[tuple[str, str]]
Status = Literal["active", "paused", "cancelled", "disabled"]
Fate = Literal["delivered", "given up", "not wanted"]

_ENDINGS = frozenset({"completed", "failed", "no_answer", "busy", "cancelled", "lost"})


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a call: the type without `call.`, and its how-manieth."""

    name: str
    occurrence: int

    @property
    def final(self) -> bool:
        return self.name in _ENDINGS


# How often a call was lost is not counted: it is once.
LOST = Happening("lost", 1)


def happenings(life: Life) -> list[Happening]:
    names = [status.lower().replace("-", "_") for status, _ in life]
    return [Happening(name, names[: place + 1].count(name)) for place, name in enumerate(names)]


@dataclass(slots=True)
class Call:
    """A call as it is: `shown` of its life the upstream shows, all of it later; `gone` says that it shows nothing.

    `recorded` counts the polls that were written, and `version` besides how often it was followed anew: a poll counts
    while the version is the one that it was claimed at. `written` are its events, and `left_due` is when it would be
    due, in Unix ms, while nobody is subscribed.
    """

    sid: str
    life: Life
    shown: int = 1
    gone: bool = False
    known: bool = False
    recorded: int = 0
    version: int = 0
    written: list[Happening] = field(default_factory=list)
    left_due: float | None = None

    @property
    def ended(self) -> bool:
        return bool(self.written) and self.written[-1].final

    def news(self) -> list[Happening]:
        """Return what a poll finds now that was not written before."""
        if self.gone:
            return [LOST]
        return happenings(self.life[: self.shown])[len(self.written) :]

    def follow(self) -> None:
        """Take over that somebody subscribes where nobody was subscribed, whether there ever was anybody or not."""
        self.version += self.known
        self.known = True

    def record(self, version: int, news: Sequence[Happening]) -> bool:
        """Write down a poll that was claimed at a version; False when it must be refused."""
        if version != self.version:
            return False
        self.recorded += 1
        self.version += 1
        self.written += news
        return True


@dataclass(slots=True)
class Subscription:
    """A subscription as it has to be. `number` counts them all, `lanes` holds failures by sequence.

    `changes` counts what was changed of it, `logged` the attempts, and `fates` is what became of each event that is
    behind the cursor and has no lane.
    """

    number: int
    id: str
    call: Call
    tenant: str
    url: str
    events: tuple[str, ...]
    status: Status = "active"
    cursor: int = 0
    failures: int = 0
    lanes: dict[int, int] = field(default_factory=dict)
    changes: int = 0
    logged: int = 0
    fates: dict[int, Fate] = field(default_factory=dict)

    @property
    def living(self) -> bool:
        return self.status in {"active", "paused"}

    @property
    def counted(self) -> bool:
        """Whether it takes room of its tenant's."""
        return self.living and not self.call.ended

    def wants(self, happening: Happening) -> bool:
        name = f"call.{happening.name}"
        return not self.events or name in self.events or ("final" in self.events and happening.final)

    @property
    def may_wait(self) -> bool:
        """Whether its queue may have a place in the outbox: there is something behind the cursor."""
        return self.living and len(self.call.written) > self.cursor

    @property
    def must_wait(self) -> bool:
        """Whether its queue must have a place in the outbox: something that it wants is to be delivered."""
        return self.status == "active" and any(map(self.wants, self.call.written[self.cursor :]))

    def end(self, status: Status) -> None:
        self.status = status
        self.lanes.clear()

    def replay(self, first: int, *, leased: bool) -> None:
        """Take everything from `first` on back; behind the cursor it waits for the attempt under way, if any."""
        self.lanes = {sequence: failures for sequence, failures in self.lanes.items() if sequence < first}
        if first <= self.cursor or (first == self.cursor + 1 and not leased):
            self.cursor, self.failures = first - 1, 0
        self.fates = {sequence: fate for sequence, fate in self.fates.items() if sequence < first}

    def retry(self, sequence: int, *, leased: bool, is_head: bool) -> None:
        """Give a delivery the whole schedule again, unless it is being attempted."""
        if leased:
            return
        if sequence <= self.cursor:
            self.lanes[sequence] = 0
            self.fates.pop(sequence, None)
        elif is_head:
            self.failures = 0

    def settle(self, one: Settlement, skipped: Collection[int], changes: int, *, hastened: bool) -> set[Recorded]:
        """Take over a settlement, and return what may be answered.

        `skipped` are the events that its claim did not want, `changes` how often the subscription had been changed by
        the time of the claim; `hastened` says that something new came while the head was being tried.
        """
        self.logged += one.attempt is not None
        lane = "/" in one.member
        stands = (0, self.lanes.get(one.sequence)) if lane else (self.cursor, self.failures)
        if stands != (0 if lane else one.cursor, one.failures):
            return {Recorded.STALE}
        if lane:
            self._settle_lane(one)
            return {Recorded.DONE}
        goes_on = self.status == "active" and self.changes == changes
        with_more = {Recorded.DONE_WITH_MORE if goes_on else Recorded.DUE_ANEW}
        if one.verdict in {"retry", "slow", "wait"}:
            self.failures += one.verdict != "wait"
            if one.lease_seconds:
                return with_more
            return {Recorded.DONE, Recorded.DUE_ANEW} if hastened else {Recorded.DONE}
        self._move_on(one, skipped)
        return with_more if self.status == "active" and self.may_wait else {Recorded.DONE}

    def _settle_lane(self, one: Settlement) -> None:
        if one.verdict in {"done", "fail"}:
            del self.lanes[one.sequence]
            self.fates[one.sequence] = _fate(one)
        else:
            self.lanes[one.sequence] += one.verdict != "wait"

    def _move_on(self, one: Settlement, skipped: Collection[int]) -> None:
        self.cursor, self.failures = one.cursor_after, 0
        self.fates |= dict.fromkeys(skipped, "not wanted")
        if one.sequence not in skipped:
            self.fates[one.sequence] = _fate(one)
        if one.verdict == "pass" and self.living:
            self.lanes[one.passed] = one.failures


def _fate(one: Settlement) -> Fate:
    if one.verdict == "fail":
        return "given up"
    return "delivered" if one.attempt else "not wanted"


@dataclass(slots=True)
class Truth:
    calls: list[Call]
    subscriptions: list[Subscription] = field(default_factory=list)

    def call(self, sid: str) -> Call:
        return next(call for call in self.calls if call.sid == sid)

    def subscription(self, subscription_id: str) -> Subscription:
        return next(one for one in self.subscriptions if one.id == subscription_id.partition("/")[0])

    def of_call(self, call: Call) -> list[Subscription]:
        """Return those of a call that live."""
        return [one for one in self.subscriptions if one.call is call and one.living]

    def registered(self, call: Call, tenant: str, url: str) -> Subscription | None:
        """Return the living subscription that another registration of the same would find."""
        return next((one for one in self.of_call(call) if (one.tenant, one.url) == (tenant, url)), None)

    def followed(self, call: Call) -> bool:
        return call.known and not call.ended and bool(self.of_call(call))
