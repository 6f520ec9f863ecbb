"""When a call is asked for next, and when it is given up: the vendor's "Polling recommendations".

* Every 2-5 s before the call is answered, every 10-30 s once it is in progress, never after its end.
* A call that stays long in a phase is asked for less often: the interval grows to a tenth of the time it
  has been there, within those bounds, so that what a transition is late by stays in proportion.
  Ringing never lasts long, so its pace does not change.
* After an error the wait is drawn between the healthy interval and a bound that doubles with each failure
  in a row (full jitter above the healthy pace), and is never shorter than the upstream's `Retry-After`.
* A 404 or 401 is an answer: it keeps the pace, but for how long it is borne is bounded. Three failures in a row
  are an incident upstream; a 404 right behind one proves little, so the patience begins anew.
"""

from dataclasses import dataclass, replace

from app.domain.call import Answer, Phase
from app.domain.event import Event, LostReason, from_transition, lost
from app.domain.snapshot import diff
from app.domain.watch import NO_TROUBLE, Trouble, Watch

# A 401 is about the credential, not the call, but one alone may be an upstream in the middle of a deploy.
# A call that was seen before is moreover given the grace of a 404.
REFUSALS_BEFORE_LOST = 3
# So many failures in a row are an incident upstream and no chance.
INCIDENT_FAILURES = 3
# The longest `Retry-After` that is obeyed: well inside the two hours after which a status is gone.
RETRY_AFTER_MAX_SECONDS = 900.0
_AGE_SHARE = 10
# The pace counts from one request to the next, but at least so much of it from the answer: a request that was long
# on its way must not let the upstream see two of them close together.
_LEAST_SHARE = 0.9
_MAX_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """The settings of the cadence, all in seconds; see `Settings` for what each is for."""

    early: float = 2.0
    early_max: float = 5.0
    in_progress: float = 10.0
    in_progress_max: float = 30.0
    error_max: float = 60.0
    not_found_grace: float = 60.0
    watch_max: float = 14400.0


@dataclass(frozen=True, slots=True)
class Answered:
    """200, read and understood."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Unchanged:
    """200, and byte for byte the answer that made the snapshot."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """404: not there yet, never there, not this connector's, or gone two hours after its end."""


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """401: the connector is not accepted."""


@dataclass(frozen=True, slots=True)
class InvalidSid:
    """400: not a call SID in the upstream's eyes."""


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer: 429, 5xx, anything unexpected, or none at all; `cause` is a short label."""

    cause: str
    retry_after: float = 0.0


PollOutcome = Answered | Unchanged | NotFound | Unauthorized | InvalidSid | Failed


@dataclass(frozen=True, slots=True)
class PollAgain:
    """The watch goes on: ask again at this Unix time."""

    at: float


@dataclass(frozen=True, slots=True)
class StopPolling:
    """The final event is among the step's events: the call is never asked for again."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one poll leads to: the watch after it, the events to write, and what is next."""

    watch: Watch
    events: tuple[Event, ...]
    following: PollAgain | StopPolling


def interval(phase: Phase, age: float, pace: Pace) -> float:
    """Return the seconds between two polls of a call that has been in `phase` for `age` seconds."""
    match phase:
        case Phase.IN_PROGRESS:
            return _between(pace.in_progress, age / _AGE_SHARE, pace.in_progress_max)
        case Phase.WAITING:
            return _between(pace.early, age / _AGE_SHARE, pace.early_max)
        case _:
            return pace.early


def backoff(failures: int, retry_after: float, pace: Pace, jitter: float, healthy: float) -> float:
    """Return the seconds to wait after so many failures in a row, where `healthy` is the wait without any.

    `jitter` is drawn from [0, 1).
    """
    bound = min(pace.error_max, healthy * 2.0 ** min(failures, _MAX_DOUBLINGS))
    least = min(healthy, bound)
    wait = least + (bound - least) * jitter
    return max(wait, min(retry_after, RETRY_AFTER_MAX_SECONDS))


def after_poll(  # noqa: PLR0917 -- what the decision hangs on, no more
    watch: Watch, outcome: PollOutcome, now: float, pace: Pace, jitter: float, latency: float = 0.0
) -> Step:
    """Decide what a poll leads to that was answered at `now` (Unix seconds) after `latency` seconds.

    `jitter` is drawn from [0, 1). A watch that has ended stays as it is. The healthy pace counts from one
    request to the next, so that a slow upstream does not make news later still.
    """
    if watch.ended:
        return Step(watch, (), StopPolling())
    match outcome:
        case Answered(answer):
            step = _answered(watch, answer, now, pace, latency)
        case Unchanged():
            step = _going_on(watch, (), now, pace, latency)
        case NotFound():
            step = _not_found(watch, now, pace)
        case Unauthorized():
            step = _unauthorized(watch, now, pace, jitter)
        case InvalidSid() if not watch.snapshot.known:
            return _give_up(watch, "invalid_call_sid", now)
        case InvalidSid():
            step = _failed(watch, 0.0, now, pace, jitter)
        case Failed(_, retry_after):
            step = _failed(watch, retry_after, now, pace, jitter)
    return _within_deadline(step, now, pace)


def _answered(watch: Watch, answer: Answer, now: float, pace: Pace, latency: float) -> Step:
    change = diff(watch.snapshot, answer)
    events = []
    previous = watch.snapshot.latest
    for transition in change.transitions:
        events.append(from_transition(transition, previous, now))
        previous = transition.status
    same_phase = change.snapshot.phase is watch.snapshot.phase
    after = replace(watch, snapshot=change.snapshot, phase_since=watch.phase_since if same_phase else now)
    if after.ended:
        return Step(replace(after, trouble=NO_TROUBLE), tuple(events), StopPolling())
    return _going_on(after, tuple(events), now, pace, latency)


def _going_on(watch: Watch, events: tuple[Event, ...], now: float, pace: Pace, latency: float) -> Step:
    after = watch if watch.trouble is NO_TROUBLE else replace(watch, trouble=NO_TROUBLE)
    wait = _next_interval(after, now, pace)
    return Step(after, events, PollAgain(now + max(wait - latency, _LEAST_SHARE * wait)))


def _next_interval(watch: Watch, now: float, pace: Pace) -> float:
    return pace.early if watch.snapshot.ahead else _healthy(watch, now, pace)


def _healthy(watch: Watch, now: float, pace: Pace) -> float:
    return interval(watch.snapshot.phase, now - watch.phase_since, pace)


def _not_found(watch: Watch, now: float, pace: Pace) -> Step:
    known = watch.snapshot.known
    denied_since = watch.trouble.denied_since or now
    if now - denied_since >= pace.not_found_grace:
        return _give_up(watch, "expired" if known else "not_found", now)
    return Step(replace(watch, trouble=Trouble(0, 0, denied_since)), (), PollAgain(now + _healthy(watch, now, pace)))


def _unauthorized(watch: Watch, now: float, pace: Pace, jitter: float) -> Step:
    refusals = watch.trouble.refusals + 1
    denied_since = watch.trouble.denied_since or now
    patience = pace.not_found_grace if watch.snapshot.known else 0.0
    if refusals >= REFUSALS_BEFORE_LOST and now - denied_since >= patience:
        return _give_up(watch, "unauthorized", now)
    trouble = Trouble(0, refusals, denied_since)
    again = PollAgain(now + backoff(refusals, 0.0, pace, jitter, _healthy(watch, now, pace)))
    return Step(replace(watch, trouble=trouble), (), again)


def _failed(watch: Watch, retry_after: float, now: float, pace: Pace, jitter: float) -> Step:
    failures = watch.trouble.failures + 1
    denied_since = watch.trouble.denied_since if failures < INCIDENT_FAILURES else 0.0
    trouble = Trouble(failures, 0, denied_since)
    wait = backoff(failures, retry_after, pace, jitter, _healthy(watch, now, pace))
    return Step(replace(watch, trouble=trouble), (), PollAgain(now + wait))


def _give_up(watch: Watch, reason: LostReason, now: float) -> Step:
    event = lost(reason, watch.snapshot.latest, watch.registered_at, now)
    return Step(replace(watch, lost=reason), (event,), StopPolling())


def _within_deadline(step: Step, now: float, pace: Pace) -> Step:
    """A watch is asked for once more at its deadline, and then given up."""
    deadline = step.watch.registered_at + pace.watch_max
    if not isinstance(step.following, PollAgain):
        return step
    if now >= deadline:
        end = _give_up(step.watch, "watch_expired", now)
        previous = step.events[-1].status if step.events else end.events[0].previous
        return Step(end.watch, (*step.events, replace(end.events[0], previous=previous)), StopPolling())
    return replace(step, following=PollAgain(deadline)) if step.following.at > deadline else step


def _between(least: float, wanted: float, most: float) -> float:
    return max(least, min(wanted, most))
