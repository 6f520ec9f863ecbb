"""What the judge (judge.py) found in a run, what of it breaks a promise, and how it is told."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An event's way, in Unix seconds: when it truly happened, and when its receiver accepted it first."""

    happened: float
    accepted: float

    @property
    def lag(self) -> float:
        return self.accepted - self.happened


@dataclass(slots=True)
class Judgement:
    """What was found. Each list of strings holds a sentence for each case; the numbers count.

    `finals` counts subscriptions by the number of different final events that they got.
    """

    transitions: int = 0
    expected: int = 0
    expected_beside: int = 0
    cancelled: int = 0
    delivered_once: int = 0
    delivered_more: int = 0
    late_polls: int = 0
    finals: Counter[int] = field(default_factory=Counter)
    acceptances: list[Acceptance] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    known_later: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    ids_disagree: list[str] = field(default_factory=list)
    wrong_finals: list[str] = field(default_factory=list)
    after_final: list[str] = field(default_factory=list)
    polls_after_end: list[str] = field(default_factory=list)
    polls_after_told: list[str] = field(default_factory=list)
    not_genuine: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    def faults(self, *, crashed: bool = False, lost_a_second: bool = False) -> list[str]:
        """Return everything that breaks a promise.

        A crash excuses repetitions and polls that were in vain. A Redis that `lost_a_second` of its writes excuses
        an event that was sent again with another time of knowledge, `observed_at`, and the rest unchanged.
        """
        kinds = {
            "differing": self.differing,
            "missing": self.missing,
            "unexpected": self.unexpected,
            "out of order": self.out_of_order,
            "ids disagree": self.ids_disagree,
            "wrong finals": self.wrong_finals,
            "after the final event": self.after_final,
            "polls after receivers knew of the end": self.polls_after_told,
            "not genuine": self.not_genuine,
            "unwanted": self.unwanted,
        }
        if not crashed:
            kinds |= {"repeated": self.repeated, "polls after the end": self.polls_after_end}
        if not lost_a_second:
            kinds["known later"] = self.known_later
        return [f"{kind}: {case}" for kind, cases in kinds.items() for case in cases]

    def lags(self, start: float = -math.inf, end: float = math.inf) -> list[float]:
        """Seconds to acceptance, of the transitions that happened from `start` until before `end` (Unix seconds)."""
        return [one.lag for one in self.acceptances if start <= one.happened < end]

    def stated(self) -> dict[str, int | float | None]:
        """Everything that is counted, in a report's words. Lags are in seconds, None where nobody looked."""
        lags = self.lags()
        return {
            "transitions": self.transitions,
            "events expected": self.expected,
            "events expected by further subscribers of a call": self.expected_beside,
            "delivered once": self.delivered_once,
            "delivered more than once": self.delivered_more,
            "duplicates (same id, same bytes)": len(self.repeated),
            "differing duplicates": len(self.differing),
            "duplicates differing in observed_at only": len(self.known_later),
            "missing": len(self.missing),
            "unexpected": len(self.unexpected),
            "out of order": len(self.out_of_order),
            "overtaken after four refusals": len(self.overtaken),
            "after the final event": len(self.after_final),
            "ids that disagree": len(self.ids_disagree),
            **{f"subscriptions with {count} final events": self.finals[count] for count in sorted({1, *self.finals})},
            "subscriptions cancelled in mid-call": self.cancelled,
            "requests not signed by the secret, or at another time": len(self.not_genuine),
            "subscriptions with deliveries after a pause or cancellation": len(self.unwanted),
            "polls after the end": self.late_polls,
            "calls polled on after receivers knew of the end": len(self.polls_after_told),
            **{f"seconds to acceptance, p{percent}": percentile(lags, percent) for percent in (50, 99)},
            "seconds to acceptance, longest": percentile(lags, 100),
        }


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return the least value that so many percent of all do not exceed; None if there are none."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1] if ordered else None
