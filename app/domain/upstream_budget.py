"""Which polls wait when more are due than the upstream is to be asked for: `UPSTREAM_MAX_RPS`.

Each credential set (account, project and connector) has a budget of so many polls a second. Where it does not suffice,
calls in progress wait first: a conversation lasts, and the vendor is content with a poll of it every 30 s. Calls
that were not answered yet keep their pace; what is left over is shared out among those in progress, each of which
waits in turn. When even that is too much, all slip alike.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from app.domain.call import CallKey, Phase
from app.domain.watch import Watch


class Urgency(Enum):
    """How a poll stands to its budget; the values are the script's (reserve_polls.lua)."""

    EARLY = "e"  # of a call that was not answered yet: it waits for no call in progress
    PATIENT = "p"  # of a call in progress: it may wait
    IN_TURN = "t"  # the same, and it has waited for its turn
    OVERDUE = "o"  # of a call in progress that has waited for as long as it may


class Promise(Enum):
    """What a watch that was put off has been promised for the moment when it falls due."""

    NOTHING = "nothing"
    TURN = "turn"  # a call in progress has waited as long as the others
    MOMENT = "moment"  # the moment is reserved


class CredentialSet(NamedTuple):
    """Whose budget a poll is charged to. The connector is a secret: it is kept out of `repr`.

    A tuple, since one is made and looked up for each poll.
    """

    account_id: str
    project_id: str
    connector_id: str

    def __repr__(self) -> str:
        return f"CredentialSet({self.account_id}/{self.project_id})"

    @classmethod
    def of(cls, key: CallKey) -> "CredentialSet":
        return cls(key.account_id, key.project_id, key.connector_id)

    @property
    def digest(self) -> str:
        """The set's name inside the store: what a call of it without a SID would be called."""
        return CallKey(self.account_id, self.project_id, self.connector_id, "").watch_id


@dataclass(frozen=True, slots=True)
class Wish:
    """A poll that wants to begin at `at`, and may be put off to `latest` if it is patient (both Unix seconds)."""

    at: float
    urgency: Urgency
    latest: float


def wish(watch: Watch, promise: Promise, polled_at: float, at: float, longest_interval: float) -> Wish:
    """Return what the next poll of a watch asks of its budget.

    `polled_at` is when it was polled last, 0 for never; `longest_interval` is what the time between two polls of
    a call in progress may be stretched to.
    """
    snapshot = watch.snapshot
    # A status that runs ahead of its history is to be confirmed soon, and is the call's end as a rule.
    if snapshot.phase is not Phase.IN_PROGRESS or snapshot.ahead or not polled_at:
        return Wish(at, Urgency.EARLY, at)
    latest = polled_at + longest_interval
    if at >= latest:
        return Wish(at, Urgency.OVERDUE, at)
    return Wish(at, Urgency.PATIENT if promise is Promise.NOTHING else Urgency.IN_TURN, latest)
