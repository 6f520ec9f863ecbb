"""What an attempt to deliver leads to. A policy: it decides, and does nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

# Each wait is drawn from ±20 % around its step, so that deliveries that failed together spread out.
JITTER_SHARE = 0.2
# The longest `Retry-After` that is obeyed: the longest step of the schedule.
RETRY_AFTER_MAX_SECONDS = 43200.0
# A delivery that has failed so often leaves the fast lane: with the default schedule it has then held up
# the ones behind it for some 36 s, and would hold them up for minutes.
FAST_LANE_FAILURES = 4

_SUCCESS = range(200, 300)
_GONE = 410
_ASKS_FOR_PATIENCE = frozenset({429, 503})


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
    """Failed: try again at this Unix time; `parked` once the delivery has left the fast lane."""

    at: float
    parked: bool


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Failed for the last time: kept, to be retried by hand."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the receiver wants nothing of this subscription any more."""


Verdict = Delivered | RetryAt | Exhausted | Gone


def judge(result: AttemptResult, failures: int, now: float, schedule: Sequence[float], jitter: float) -> Verdict:
    """Decide after an attempt that ended at `now` and before which the delivery had failed `failures` times.

    `jitter` is drawn from [0, 1).
    """
    retry_after = 0.0
    if isinstance(result, Responded):
        if result.status_code in _SUCCESS:
            return Delivered()
        if result.status_code == _GONE:
            return Gone()
        if result.status_code in _ASKS_FOR_PATIENCE:
            retry_after = min(result.retry_after, RETRY_AFTER_MAX_SECONDS)
    if failures >= len(schedule):
        return Exhausted()
    wait = schedule[failures] * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter)
    return RetryAt(now + max(wait, retry_after), parked=failures + 1 >= FAST_LANE_FAILURES)
