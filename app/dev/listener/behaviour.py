"""How the listener treats a good delivery, to try out what Ringback makes of a receiver in trouble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Broken off before an answer, closed without one, or left open without one.
Failure = Literal["reset", "close", "hang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerBehaviour:
    """How it answers a good delivery, to try out retries; a wrong signature gets its 401 all the same.

    With a `failure` there is no answer: `status` and `headers` mean nothing then.
    """

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    failure: Failure | None = None
    # Only the first so many requests are treated so, the others as usual. None is all of them.
    first_requests: int | None = None

    @property
    def answer(self) -> str:
        return self.failure or str(self.status)


USUAL = ListenerBehaviour()
