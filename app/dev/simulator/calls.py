"""The calls that were triggered, what each of them looks like at a given moment, and who looked.

No task runs per call: a call is its planned moments, and its status follows from the time at which somebody
asks. All times here are integer microseconds since the Unix epoch, which is exactly what is printed.
"""

import random
import uuid
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from app.dev.simulator.life import Life, plan_life
from app.dev.simulator.settings import SimulatorSettings

_SECOND = 1_000_000


def microseconds(seconds: float) -> int:
    return round(seconds * _SECOND)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may read a call: all three must match."""

    account_id: str
    project_id: str
    connector_id: str


@dataclass(frozen=True, slots=True)
class Poll:
    """A status request for a known call; `status` is what the answer showed, when it showed one."""

    at: int
    code: int
    status: str | None


class Call:
    """One call, from its trigger on."""

    __slots__ = (
        "call_sid",
        "expires_at",
        "moments",
        "owner",
        "poll_count",
        "polls",
        "statuses",
        "triggered_at",
    )

    def __init__(self, owner: Owner, life: Life, triggered_at: int, settings: SimulatorSettings) -> None:
        # Not drawn from the seed: a second run with the same seed has other calls, which happen to go the
        # same way.
        self.call_sid = f"OUT-{uuid.uuid4()}"
        self.owner = owner
        self.triggered_at = triggered_at
        self.statuses = tuple(step.status for step in life.steps)
        self.moments = tuple(triggered_at + microseconds(step.offset_seconds) for step in life.steps)
        self.expires_at: int | None = None
        if life.end is not None:
            kept_seconds = settings.retention_seconds / settings.time_lapse
            self.expires_at = triggered_at + microseconds(life.end.offset_seconds + kept_seconds)
        self.polls: deque[Poll] = deque(maxlen=settings.kept_polls_per_call)
        self.poll_count = 0

    def steps_shown(self, now: int) -> int:
        """How many of its steps the endpoint tells; 0 before the first one and after the retention."""
        if self.expires_at is not None and now >= self.expires_at:
            return 0
        return bisect_right(self.moments, now)

    def record(self, poll: Poll) -> None:
        self.polls.append(poll)
        self.poll_count += 1


class CallBook:
    """All calls of a run, the oldest forgotten when there are too many."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._calls: dict[str, Call] = {}
        self._planned = 0

    def place(self, owner: Owner, script: Life | None, now: int) -> Call:
        """Trigger a call; without a script its life is the next one of the seed."""
        call = Call(owner, self._next_life() if script is None else script, now, self._settings)
        self._calls[call.call_sid] = call
        if len(self._calls) > self._settings.kept_calls:
            del self._calls[next(iter(self._calls))]
        return call

    def find(self, call_sid: str) -> Call | None:
        return self._calls.get(call_sid)

    def __iter__(self) -> Iterator[Call]:
        """Over the calls of this moment, oldest first, also while new ones come in."""
        return iter(tuple(self._calls.values()))

    def _next_life(self) -> Life:
        # A generator of its own per call: no other use of randomness can shift the lives of a seed.
        rng = random.Random(f"{self._settings.seed}/life/{self._planned}")  # noqa: S311 -- a game, not a secret
        self._planned += 1
        return plan_life(rng, self._settings)
