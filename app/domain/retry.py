"""What an attempt to deliver leads to. A policy: it decides, and does nothing.

A subscription's events go out in sequence, so the first that is not yet delivered, the head, holds up those behind
it. A head that has failed several times is suspected: either the receiver is down, and then nothing is lost by
waiting, or it is this one event that it cannot take. To tell the two apart, a suspect's failure is
followed by one try of the event behind it. If that one is delivered, it has passed the head, which goes on alone;
if not, both wait, and their order is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Each wait is drawn from ±20 % around its step, so that deliveries that failed together spread out.
JITTER_SHARE = 0.2
# The longest `Retry-After` that is obeyed: the longest step of the schedule.
RETRY_AFTER_MAX_SECONDS = 43200.0
# With the default schedule a head that has failed so often has then held up the ones behind it for some 36 s, and
# would hold them up for minutes.
SUSPECT_FAILURES = 4

_SUCCESS = range(200, 300)
_GONE = 410
_ASKS_FOR_PATIENCE = frozenset({429, 503})
# The receiver has not seen the event, so it cannot be the event's fault.
_NEVER_ARRIVED = frozenset({"address_not_allowed", "connect", "dns", "proxy", "tls"})


@dataclass(frozen=True, slots=True)
class Responded:
    """The receiver answered; `retry_after` in seconds, 0 where it asked for no wait."""

    status_code: int
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer; `error` is the stage at which it failed, such as `timeout` or `tls`."""

    error: str


AttemptResult = Responded | Unreachable


@dataclass(frozen=True, slots=True)
class Delivered:
    """2xx: done."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Failed: try again at this Unix time."""

    at: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """Failed, and not for the first time: try again at this Unix time.

    `passable` says whether the event behind may be tried meanwhile. A suspect that is tried before its time,
    because something new came, has failed no more often for it: then `counted` is False.
    """

    at: float
    passable: bool
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Failed for the last time: kept, to be retried by hand."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the receiver wants nothing of this subscription any more."""


Verdict = Delivered | RetryAt | Suspect | Exhausted | Gone


def judge(
    result: AttemptResult,
    failures: int,
    now: float,
    schedule: Sequence[float],
    jitter: float,
    *,
    due_at: float = 0.0,
) -> Verdict:
    """Decide after an attempt that ended at `now` and before which the delivery had failed `failures` times.

    `jitter` is drawn from [0, 1). `due_at` is when the attempt was due by the schedule, if later than it was made.
    """
    retry_after = 0.0
    if isinstance(result, Responded):
        if result.status_code in _SUCCESS:
            return Delivered()
        if result.status_code == _GONE:
            return Gone()
        if result.status_code in _ASKS_FOR_PATIENCE:
            retry_after = min(result.retry_after, RETRY_AFTER_MAX_SECONDS)
    passable = not (isinstance(result, Unreachable) and result.error in _NEVER_ARRIVED)
    if due_at > now:
        return Suspect(max(due_at, now + retry_after), passable, counted=False)
    if failures >= len(schedule):
        return Exhausted()
    wait = schedule[failures] * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter)
    at = now + max(wait, retry_after)
    return Suspect(at, passable) if failures + 1 >= SUSPECT_FAILURES else RetryAt(at)
