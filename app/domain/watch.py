"""A watch: a call that is followed, what is known of it and how following it goes."""

from dataclasses import dataclass, field

from app.domain.call import CallKey
from app.domain.event import LostReason
from app.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Trouble:
    """How often in a row the upstream has failed to answer, and since when it denies the call.

    `failures` counts what was no usable answer, `refusals` the 401s, both in a row; `denied_since` is the Unix
    time of the first 404 or 401 since it last answered with a status, 0 while there is none.
    """

    failures: int = 0
    refusals: int = 0
    denied_since: float = 0.0


NO_TROUBLE = Trouble()


@dataclass(frozen=True, slots=True)
class Watch:
    """A followed call. Times are Unix seconds; `phase_since` is when we first saw the present phase."""

    key: CallKey
    registered_at: float
    phase_since: float
    snapshot: Snapshot = field(default_factory=Snapshot)
    trouble: Trouble = NO_TROUBLE
    lost: LostReason | None = None

    @property
    def ended(self) -> bool:
        """Whether the final event is written: from then on nothing is polled any more."""
        return self.lost is not None or self.snapshot.ended


def new_watch(key: CallKey, now: float) -> Watch:
    return Watch(key, registered_at=now, phase_since=now)
