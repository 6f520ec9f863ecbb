"""A call, its statuses and the phase of life that each belongs to."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache


class Phase(Enum):
    """What the pace of polling and the end of following depend on."""

    WAITING = "waiting"  # created, queued, or a status nobody has told us of, before an answer
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    ENDED = "ended"


# From the vendor's page, "Possible values", in the order in which a call passes them. The keys are the
# names in snake case, so that `in-progress`, `IN_PROGRESS` and `InProgress` are one status.
PHASES = {
    "created": Phase.WAITING,
    "queued": Phase.WAITING,
    "ringing": Phase.RINGING,
    "in_progress": Phase.IN_PROGRESS,
    "completed": Phase.ENDED,
    "failed": Phase.ENDED,
    "no_answer": Phase.ENDED,
    "busy": Phase.ENDED,
    "cancelled": Phase.ENDED,
}
TERMINAL = frozenset(name for name, phase in PHASES.items() if phase is Phase.ENDED)
# How far along its life a call of that status is; a status not named here may stand anywhere.
RANKS = {"created": 0, "queued": 1, "ringing": 2, "in_progress": 3, **dict.fromkeys(TERMINAL, 4)}

_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_SNAKE = re.compile(r"[^a-z0-9]+")
MAX_STATUS_LENGTH = 64
# Our own word for a call that can no longer be followed: `call.lost` is final, and no status may be called so.
LOST = "lost"
# 72 bits each for what calls share and for the call itself: a billion calls meet with a chance of one in ten thousand
# only if they share an account, and who does not know a connector cannot aim at what is named by it.
_DIGEST_BYTES = 9
LINE_LENGTH = 12


# Upstreams know a handful of statuses, and every entry of every history names one.
@lru_cache(1024)
def status_name(status: str) -> str:
    """Return a status in snake case, the way event types spell it; empty when nothing is left of it.

    An upstream status "lost" becomes `upstream_lost`, since `call.lost` says something else.
    """
    words = _WORD_BOUNDARY.sub("_", status[:MAX_STATUS_LENGTH])
    name = _NOT_SNAKE.sub("_", words.lower())[:MAX_STATUS_LENGTH].strip("_")
    return f"upstream_{LOST}" if name == LOST else name


@dataclass(frozen=True, slots=True)
class CallKey:
    """Who a call is upstream. Two subscriptions share a poll only when all four are equal.

    `connector_id` is a credential: it is kept out of `repr` and appears in nothing that leaves the service.
    """

    account_id: str
    project_id: str
    connector_id: str
    call_sid: str

    def __repr__(self) -> str:
        return f"CallKey({self.account_id}/{self.project_id}/{self.call_sid})"

    @property
    def watch_id(self) -> str:
        """The call's name inside the store: 24 characters of URL-safe base64, from which nothing can be read.

        The first `LINE_LENGTH` name its account, project and connector together: calls that share them share these.
        """
        line = _line(self.account_id, self.project_id, self.connector_id)
        return line + _digest(self.account_id, self.project_id, self.connector_id, self.call_sid)


# Calls that share a line are many.
@lru_cache(1024)
def _line(account_id: str, project_id: str, connector_id: str) -> str:
    return _digest(account_id, project_id, connector_id)


def _digest(*parts: str) -> str:
    framed = b"".join([len(part := text.encode()).to_bytes(4) + part for text in parts])
    return base64.urlsafe_b64encode(hashlib.sha256(framed).digest()[:_DIGEST_BYTES]).decode()


@dataclass(frozen=True, slots=True)
class Transition:
    """A step in a call's life.

    `name` is the status in snake case; `occurrence` counts equal names from 1, and with the name makes
    the transition's identity. `at` is the upstream's time as RFC 3339, empty where it gave none.
    """

    name: str
    status: str
    occurrence: int
    at: str

    @property
    def identity(self) -> tuple[str, int]:
        return self.name, self.occurrence

    @property
    def final(self) -> bool:
        return self.name in TERMINAL


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream said about a call, read and put in order.

    `fingerprint` tells the body from which it was read; empty where there was none.
    """

    status: str
    created_at: str
    last_updated: str
    client_env: str
    history: tuple[Transition, ...]
    fingerprint: bytes = field(default=b"", compare=False)
