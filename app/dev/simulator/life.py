"""How a call goes: a plan of all its status changes, made when it is triggered.

The plan is drawn from a random generator and depends on nothing else, so a seed repeats a run exactly. The
numbers below are not measured at the vendor's; they are what outbound calling usually looks like.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from app.dev.simulator.settings import SimulatorSettings

CREATED = "CREATED"
QUEUED = "queued"
RINGING = "ringing"
IN_PROGRESS = "in-progress"
COMPLETED = "completed"
FAILED = "failed"
NO_ANSWER = "no-answer"
BUSY = "busy"
CANCELLED = "cancelled"
TERMINAL_STATUSES = frozenset({COMPLETED, FAILED, NO_ANSWER, BUSY, CANCELLED})

# Vendors print microseconds at best; rounding the plan to them makes what is printed the exact truth.
_OFFSET_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Step:
    """The status that a call takes `offset_seconds` after it was triggered."""

    offset_seconds: float
    status: str


@dataclass(frozen=True, slots=True)
class Life:
    """All steps of a call, at least one, by time. It has ended once a terminal status was reached."""

    steps: tuple[Step, ...]

    @property
    def end(self) -> Step | None:
        """The first terminal step; a scripted life may have none."""
        return next((step for step in self.steps if step.status in TERMINAL_STATUSES), None)


def _recording(rng: random.Random) -> float:
    return rng.uniform(0.05, 0.8)


def _queueing(rng: random.Random) -> float:
    """Mostly a second or two, now and then as long as twenty."""
    return min(20.0, rng.lognormvariate(math.log(1.5), 1.0))


def _ringing(rng: random.Random) -> float:
    return rng.triangular(3.0, 25.0, 8.0)


def _ringing_out(rng: random.Random) -> float:
    return rng.uniform(18.0, 25.0)


def _ringing_briefly(rng: random.Random) -> float:
    return rng.uniform(3.0, 6.0)


def _talking(rng: random.Random) -> float:
    """Half of the talks last longer than 65 seconds; the mean is 83."""
    return min(3600.0, rng.lognormvariate(math.log(65.0), 0.7))


def _instant(rng: random.Random) -> float:
    """Short enough for a whole life to pass between two polls."""
    return rng.uniform(0.02, 0.35)


@dataclass(frozen=True, slots=True)
class _Route:
    """`share` of all calls go through these stages: how long a status lasts, and what follows it."""

    share: float
    stages: tuple[tuple[Callable[[random.Random], float], str], ...]


_TO_QUEUE = ((_recording, QUEUED),)
_TO_RINGING = (*_TO_QUEUE, (_queueing, RINGING))
_TO_ANSWER = (*_TO_RINGING, (_ringing, IN_PROGRESS))

_ROUTES = (
    _Route(0.55, (*_TO_ANSWER, (_talking, COMPLETED))),
    # An answering machine that hangs up at once, on an idle platform.
    _Route(0.05, tuple((_instant, status) for status in (QUEUED, RINGING, IN_PROGRESS, COMPLETED))),
    _Route(0.18, (*_TO_RINGING, (_ringing_out, NO_ANSWER))),
    # Busy is known before it rings, or after a moment of ringing, as the carrier tells it.
    _Route(0.04, (*_TO_QUEUE, (_queueing, BUSY))),
    _Route(0.04, (*_TO_RINGING, (_ringing_briefly, BUSY))),
    _Route(0.03, (*_TO_QUEUE, (_queueing, FAILED))),
    _Route(0.03, (*_TO_RINGING, (_ringing, FAILED))),
    _Route(0.03, (*_TO_ANSWER, (_talking, FAILED))),
    _Route(0.02, (*_TO_QUEUE, (_queueing, CANCELLED))),
    _Route(0.03, (*_TO_RINGING, (_ringing, CANCELLED))),
)
_SHARES = tuple(route.share for route in _ROUTES)


def plan_life(rng: random.Random, settings: SimulatorSettings) -> Life:
    """Draw one life; its offsets are already divided by the time-lapse factor."""
    (route,) = rng.choices(_ROUTES, _SHARES)
    offset = 0.0
    steps = [Step(offset, CREATED)]
    for last_for, status in route.stages:
        offset += last_for(rng)
        steps.append(Step(round(offset / settings.time_lapse, _OFFSET_DECIMALS), status))
    return Life(tuple(steps))
