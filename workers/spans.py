"""The spans of polls and attempts, where tracing is on; nothing here is made where it is off.

Polls belong to the trace of the first registration of their call that was traced; those that found nothing new have
no span, for there are thousands. An attempt belongs to its own subscription's registration: it comes under the
poll that found its event, or, where that is in another subscriber's trace, beside it, with a link.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.domain.cadence import Answered, Failed, InvalidSid, NotFound, PollOutcome, Step, Unauthorized, Unchanged
from app.store.deliveries import ClaimedOutbox, LoggedAttempt, PendingEvent
from app.store.watches import ClaimedPoll

if TYPE_CHECKING:
    from app.telemetry.tracing import OpenSpan, Tracing

_STATUSES = {Answered: 200, Unchanged: 200, InvalidSid: 400, Unauthorized: 401, NotFound: 404}
_HTTP_FAILURE = "http_"
_DEFAULT_PORTS = {"https": 443, "http": 80}


class PollSpans:
    """Makes the spans of polls at the upstream, whose address they name."""

    def __init__(self, tracing: "Tracing", upstream_base_url: str) -> None:
        self._tracing = tracing
        self._server = {"http.request.method": "GET", **server_of(upstream_base_url)}

    def of(self, claim: ClaimedPoll, outcome: PollOutcome, step: Step, seconds: float) -> "OpenSpan | None":
        """Begin the span of a poll that has taken so long; None where it has none."""
        failed = isinstance(outcome, Failed | Unauthorized)
        if claim.trace is None or not (step.events or failed):
            return None
        about: dict[str, str | int] = {**self._server, "ringback.call_sid": claim.watch.key.call_sid}
        if status_code := _status_of(outcome):
            about["http.response.status_code"] = status_code
        if isinstance(outcome, Failed):
            about["error.type"] = outcome.cause
        return self._tracing.start("poll", "client", claim.trace, about, started_ago=seconds)


@dataclass(frozen=True, slots=True)
class AttemptSpans:
    """Makes the spans of attempts."""

    tracing: "Tracing"

    def of(self, claim: ClaimedOutbox, pending: PendingEvent, number: int) -> "OpenSpan | None":
        """Begin the span of an attempt, the `number`th of its event; None where its registration was not traced."""
        own, found_by = claim.destination.trace, pending.found_by
        if own is None:
            return None
        within = found_by is not None and found_by.trace_id == own.trace_id
        parent = replace(found_by, state=own.state) if found_by and within else own
        about: dict[str, str | int] = {
            "http.request.method": "POST",
            **server_of(claim.destination.callback_url),
            "ringback.call_sid": claim.call.call_sid,
            "ringback.subscription_id": claim.subscription_id,
            "ringback.event_type": pending.event.type,
            "ringback.sequence": pending.sequence,
            "ringback.attempt": number,
        }
        return self.tracing.start("deliver", "client", parent, about, link=None if within else found_by)


def end_attempt(span: "OpenSpan", attempt: LoggedAttempt) -> None:
    """End the span of an attempt with what it has led to."""
    about: dict[str, str | int] = {"ringback.outcome": attempt.outcome}
    if attempt.status_code:
        about["http.response.status_code"] = attempt.status_code
    if attempt.outcome != "delivered":
        about["error.type"] = attempt.error or str(attempt.status_code)
    span.end(about, failed=attempt.outcome != "delivered")


def server_of(url: str) -> dict[str, str | int]:
    """Name where a URL leads to, without its path and query: they may hold what nobody may see."""
    parts = urlsplit(url)
    return {"server.address": parts.hostname or "", "server.port": parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)}


def _status_of(outcome: PollOutcome) -> int:
    """Return the status of the upstream's answer, 0 where there is none that says something."""
    if isinstance(outcome, Failed):
        code = outcome.cause.removeprefix(_HTTP_FAILURE)
        return int(code) if code.isdecimal() else 0
    return _STATUSES[type(outcome)]
