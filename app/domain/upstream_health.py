"""Whether the upstream fails for everybody, and who may ask it then.

A call that fails waits by itself (`app.domain.cadence`). When everything fails, thousands that wait each for
themselves are still a hammer. So when polls of many calls have failed in a row, and none has been answered well,
the upstream is *probing*: one call asks on behalf of all, with growing pauses, and the others wait without a
failure counted against them. The first good answer makes it *recovering*: polls are let through at a rate that
doubles each second, until nobody waits, or they fail again.

A credential set that was answered well lately keeps it *healthy*: the trouble is another one's own.

Each worker judges for itself by what it sees. There is no clock and no chance in here: moments are Unix seconds, and
jitter is drawn from [0, 1).
"""

import math
from dataclasses import dataclass, field, replace

from app.domain.cadence import RETRY_AFTER_MAX_SECONDS, Failed, PollOutcome
from app.domain.upstream_budget import CredentialSet

# The upstream has failed for everybody when so many polls in a row have, of so many calls.
FAILURES_IN_A_ROW = 20
FAILING_CALLS = 10
# While it recovers, fewer are enough.
RELAPSE_CALLS = 5
# A credential set with a good answer no older than the longest healthy interval between two polls of a call is well.
WELL_SECONDS = 30.0
# Between two probes: it doubles with each that fails, and a quarter of it is drawn.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 15.0
_JITTER_SHARE = 0.25
# Polls per second at the first good answer; doubled each second.
FIRST_RATE = 5.0
_MOST_DOUBLINGS = 40.0
# How long a claim may be held until its moment; whatever has to wait for longer is put off.
MOST_HELD_SECONDS = 2.0
# What waits is claimed again in vain at most so often a second, as long as it comes back this soon.
_BACK_PER_SECOND = 200.0
_LONGEST_SPREAD_SECONDS = 15.0
# Nobody has had to wait for so long: then nobody waits any more.
_QUIET_SECONDS = 3.0
_MOST_SETS = 10_000


@dataclass(frozen=True, slots=True)
class Healthy:
    """Every poll begins when it is due."""

    name = "healthy"


@dataclass(frozen=True, slots=True)
class Probing:
    """One call at a time asks for all, not before `next_at`, and its failure leads to a wait of `pause` seconds.

    `probe` is the call that asks, empty for none; it is not waited for any longer than `probe_until`. Of the others
    `waiting` were put off, the last of them to `last_back_at`.
    """

    pause: float
    next_at: float
    probe: str = ""
    probe_until: float = 0.0
    waiting: int = 0
    last_back_at: float = 0.0
    name = "probing"


@dataclass(frozen=True, slots=True)
class Recovering:
    """So many polls were `granted` since the first good answer; a relapse goes on with a wait of `pause` seconds."""

    since: float
    pause: float
    granted: float = 0.0
    waiting: int = 0
    last_back_at: float = 0.0
    name = "recovering"


State = Healthy | Probing | Recovering


@dataclass(frozen=True, slots=True)
class Begin:
    """The poll may begin at this moment."""

    at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """The poll is to be asked about again at this moment."""

    until: float


@dataclass(slots=True)
class _Streak:
    """Failures with no good answer between them: how many, and some of the calls that they were of."""

    failures: int = 0
    calls: set[str] = field(default_factory=set)

    def add(self, call: str) -> None:
        self.failures += 1
        if len(self.calls) < FAILING_CALLS:
            self.calls.add(call)


class UpstreamHealth:
    """What a worker has seen of the upstream, and what follows from it."""

    def __init__(self, patience_seconds: float) -> None:
        """A probe is heard of within `patience_seconds` of its beginning, or never."""
        self.state: State = Healthy()
        self._patience = patience_seconds
        self._streak = _Streak()
        # When each credential set was answered well last, unless it has failed since.
        self._well: dict[CredentialSet, float] = {}

    def report(self, call: str, credentials: CredentialSet, outcome: PollOutcome, now: float, jitter: float) -> None:
        """Take note of what a poll of a call came to. A denial (400, 401, 404) comes from an upstream that is up."""
        if isinstance(outcome, Failed):
            self._well.pop(credentials, None)
            self._streak.add(call)
            self._failed(call, outcome.retry_after, now, jitter)
        else:
            if self._streak.failures:
                self._streak = _Streak()
            self._note_well(credentials, now)
            if isinstance(self.state, Probing):
                self.state = _recovering(self.state, now)

    def may_begin(self, call: str) -> bool:
        """Whether a poll that was admitted a while ago may still begin."""
        return not isinstance(self.state, Probing) or call == self.state.probe

    def admit(self, call: str, at: float, now: float, jitter: float) -> Begin | Wait:
        """Say when a poll may begin that is due at `at`, no more than a horizon ahead of `now`."""
        self.settle(now)
        match self.state:
            case Healthy():
                return Begin(at)
            case Probing() as state:
                self.state, admission = _admit_probe(state, call, max(at, now), now, self._patience, jitter)
            case Recovering() as state:
                self.state, admission = _admit_slowly(state, max(at, now), now)
        return admission

    def settle(self, now: float) -> None:
        """Be healthy again once nobody has had to wait for a while."""
        if isinstance(self.state, Recovering) and now > self.state.last_back_at + _QUIET_SECONDS:
            self.state = Healthy()

    def _note_well(self, credentials: CredentialSet, now: float) -> None:
        self._well[credentials] = now
        if len(self._well) > _MOST_SETS:
            # In the order of their first good answers: those of sets that are in use come back.
            del self._well[next(iter(self._well))]

    def _failed(self, call: str, retry_after: float, now: float, jitter: float) -> None:
        match self.state:
            case Healthy() if self._fails_for_all(FAILURES_IN_A_ROW, FAILING_CALLS, now):
                self.state = _probing(FIRST_PAUSE_SECONDS, retry_after, now, jitter)
            case Recovering(pause=pause) if self._fails_for_all(RELAPSE_CALLS, RELAPSE_CALLS, now):
                self.state = _probing(pause, retry_after, now, jitter)
            case Probing(probe=probe) as state if probe == call:
                after = _probing(state.pause, retry_after, now, jitter)
                self.state = replace(after, waiting=0, last_back_at=state.last_back_at)

    def _fails_for_all(self, failures: int, calls: int, now: float) -> bool:
        if self._streak.failures < failures or len(self._streak.calls) < calls:
            return False
        self._well = {one: at for one, at in self._well.items() if now - at <= WELL_SECONDS}
        return not self._well


def _probing(pause: float, retry_after: float, now: float, jitter: float) -> Probing:
    """Wait for `pause` seconds, and for longer after the next failure."""
    wait = max(pause * (1 - _JITTER_SHARE * jitter), min(retry_after, RETRY_AFTER_MAX_SECONDS))
    return Probing(min(2 * pause, LONGEST_PAUSE_SECONDS), now + wait, last_back_at=now + wait)


def _recovering(state: Probing, now: float) -> Recovering:
    return Recovering(now, state.pause, last_back_at=max(now, state.last_back_at))


def _admit_probe(  # noqa: PLR0917 -- what the decision hangs on, no more
    state: Probing, call: str, at: float, now: float, patience: float, jitter: float
) -> tuple[Probing, Begin | Wait]:
    if call == state.probe and now <= state.probe_until:
        return state, Begin(at)
    begin = max(at, state.next_at)
    if (not state.probe or now > state.probe_until) and begin <= now + MOST_HELD_SECONDS:
        appointed = replace(state, probe=call, probe_until=begin + patience, next_at=begin + FIRST_PAUSE_SECONDS)
        return appointed, Begin(begin)
    # The first of them is there when the next probe may begin, or when it is known what came of this one, if that does
    # not take long; and of many not all come in vain.
    spread = min(_LONGEST_SPREAD_SECONDS, state.waiting / _BACK_PER_SECOND)
    back_at = state.next_at if state.next_at > now else now + FIRST_PAUSE_SECONDS
    until = max(at, back_at) + spread * jitter
    waited = replace(state, waiting=state.waiting + 1, last_back_at=max(state.last_back_at, until))
    return waited, Wait(until)


def _admit_slowly(state: Recovering, at: float, now: float) -> tuple[Recovering, Begin | Wait]:
    """Let through as many as the rate has room for; the others come back when it should have room for them."""
    # Room that nobody took in time is lost.
    granted = max(state.granted, _room_after(now - state.since))
    begin = max(at, state.since + _time_for(granted))
    if begin <= at + MOST_HELD_SECONDS / 2:
        return replace(state, granted=granted + 1, waiting=max(0, state.waiting - 1)), Begin(begin)
    until = state.since + _time_for(granted + state.waiting)
    back_at = max(state.last_back_at, until)
    return replace(state, granted=granted, waiting=state.waiting + 1, last_back_at=back_at), Wait(until)


def _room_after(seconds: float) -> float:
    """Return how many polls are let through in so many seconds of recovery: the integral of the rate."""
    return FIRST_RATE * (math.exp2(min(seconds, _MOST_DOUBLINGS)) - 1) / math.log(2)


def _time_for(polls: float) -> float:
    """Return after how many seconds of recovery so many polls were let through."""
    return math.log2(1 + polls * math.log(2) / FIRST_RATE)
