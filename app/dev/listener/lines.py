"""A delivery as a line: for a terminal, or as JSON for a script."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from app.dev.listener.received import NoSecret, Received, Rejected, Streamed, Verdict, Verified


def describe(received: Received, notes: Sequence[str] = ()) -> str:
    """One line for a terminal: when, which call, which event, whether to believe it, how late, and what is odd."""
    at = datetime.fromtimestamp(received.received_at, UTC).strftime("%H:%M:%S.%f")[:-3]
    number = "" if received.sequence is None else f"#{received.sequence}"
    event = f"{number:>3} {received.event_type or 'not an event':<18} {'final' if received.final else '':<5}"
    late = "" if received.seen_seconds is None else f"{received.seen_seconds:+.2f} s"
    answer = f"answered {received.answer}" if received.answer not in ("", "204", "401") else ""
    parts = [f"{at}  {received.call_sid or received.path:<40}", event, _judgement(received.verdict)]
    parts += [part for part in (late, ", ".join(notes), answer, received.webhook_id or "") if part]
    # Anybody can send to an open port: nothing of theirs may steer the terminal.
    return printable("  ".join(parts)).rstrip()


def as_json(received: Received, notes: Sequence[str] = ()) -> str:
    """The same as a JSON object in one line of ASCII; times are Unix seconds, waits are seconds."""
    return json.dumps(
        {
            "received_at": round(received.received_at, 3),
            "path": received.path,
            "verdict": _judgement(received.verdict),
            "webhook_id": received.webhook_id,
            "seen_seconds_ago": _rounded(received.seen_seconds),
            "occurred_seconds_ago": _rounded(received.occurred_seconds),
            "notes": list(notes),
            "answer": received.answer,
            "event": received.document or None,
        }
    )


def printable(text: str) -> str:
    """Return a text that cannot steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _judgement(verdict: Verdict) -> str:
    match verdict:
        case Verified():
            return "verified"
        case Rejected(reason):
            return f"REJECTED: {reason}"
        case NoSecret():
            return "unverified (no secret)"
        case Streamed():
            return "streamed"
