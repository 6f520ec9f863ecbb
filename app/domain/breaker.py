"""The circuit breaker of a destination: what counts against it, when it opens and for how long.

A destination is a scheme, a host and a port. Each tenant has a breaker of its own there: on a host that many
share, one tenant's broken endpoint says nothing of another's. It is *closed* while deliveries go out, *open* after
some failures in a row, when deliveries wait and none is attempted, and *half-open* when the wait is over and one
delivery, the probe, is let through to see. The state is Redis' (`app/store/breakers.py`), so that all workers
agree; the numbers are here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from app.domain.retry import AttemptResult, Responded

# One subscription alone needs its whole fast lane and one more: a single bad event does not open the breaker.
FAILURES_TO_OPEN = 5
# A receiver that is well again waits no longer than this for its probe.
LONGEST_COOLDOWN_SECONDS = 60.0
# A probe that is not told of by then has died with its worker: this much later than its time-out.
PROBE_MARGIN_SECONDS = 5.0

_DEFAULT_PORTS = {"https": 443, "http": 80}
# Server errors, and the two that say: not now.
_OVERLOADED = frozenset({408, 429})
_SERVER_ERRORS = range(500, 600)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An attempt may be made; `probe` says that the breaker is half-open and waits for what comes of it."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No attempt before this Unix time. `down_since` is when the destination began to fail."""

    until: float
    down_since: float


Admission = Admitted | Refused


class BreakerState(StrEnum):
    """How a destination in trouble stands; one that is well has no breaker at all."""

    FAILING = "failing"
    """It is tried still: the breaker is closed, with failures behind it."""
    OPEN = "open"
    """Nothing is attempted."""
    PROBING = "probing"
    """The breaker is half-open: one delivery is tried, or the next one will be, and decides."""


def state_at(now: float, open_until: float | None) -> BreakerState:
    """Return how a breaker stands at a moment; None says that it has not opened."""
    if open_until is None:
        return BreakerState.FAILING
    return BreakerState.OPEN if now < open_until else BreakerState.PROBING


def destination_of(url: str) -> str:
    """Return the destination of a callback URL in its canonical spelling, such as `https://crm.example.com:443`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"


def breaker_name(tenant_id: str, destination: str) -> str:
    """Return what a tenant's breaker at a destination is known by."""
    return f"{tenant_id} {destination}"


def split_name(name: str) -> tuple[str, str]:
    """Return the tenant and the destination that a breaker is known by."""
    tenant_id, _, destination = name.partition(" ")
    return tenant_id, destination


def counts_against(result: AttemptResult) -> bool:
    """Whether an attempt speaks against its destination: no answer, a server's error, or a request to wait.

    Any other answer, a 404 or a redirect too, comes from a server that is up: it refuses one subscription's
    event, and is no reason to keep the events of others from the same host.
    """
    if isinstance(result, Responded):
        return result.status_code in _SERVER_ERRORS or result.status_code in _OVERLOADED
    return True


def cooldowns(schedule: Sequence[float]) -> tuple[float, ...]:
    """Return how long the breaker stays open the first time, the second and so on, in seconds.

    They are the steps of the retry schedule up to a bound: a delivery that is alone with its destination
    is held up no longer by the breaker than by its own next step.
    """
    return tuple(min(step, LONGEST_COOLDOWN_SECONDS) for step in schedule)
