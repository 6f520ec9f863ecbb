"""The vendor's dialect: the address, the header and the bodies of its call status endpoint, read and written.

Everything that is particular to this generation of the vendor's interface stands here, so that the next
generation costs one file. The source of each rule is the vendor's page, "Get call status".
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from app.domain.call import MAX_STATUS_LENGTH, Answer, CallKey, status_name
from app.domain.errors import MalformedAnswer
from app.domain.history import Entry, read_entry, transitions
from app.domain.timestamps import format_timestamp, parse_timestamp

CONNECTOR_HEADER = "X-CONNECTOR-ID"
CALL_SID_PREFIX = "OUT-"
# The vendor's example answers with 0.5 kB; a call with a thousand transitions stays below this.
MAX_BODY_BYTES = 256 * 1024
MAX_ENTRIES = 1000
_MAX_TEXT = 256
_FINGERPRINT_BYTES = 8

# The endpoint's address as a route's template.
STATUS_PATH = "/api/v1/{account_id}/{project_id}/outbound-call/status/{call_sid}"


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """An answer as the vendor gives it. `retry_after` is in seconds; 0 says nothing of when to ask again."""

    status_code: int
    body: bytes
    retry_after: int = 0


def write_error(status_code: int, message: str, retry_after: int = 0) -> WrittenAnswer:
    """Write an error: the page names codes and meanings but shows no body, so this shape is a guess."""
    return WrittenAnswer(status_code, json.dumps({"error": message}).encode(), retry_after)


# The codes and their meanings by the page's "Error responses".
INVALID_CALL_SID = write_error(400, "Invalid call SID format.")
INVALID_CONNECTOR = write_error(401, "Invalid or missing connector ID.")
UNKNOWN_CALL = write_error(404, "Call SID not found.")
UPSTREAM_FAILED = write_error(500, "Failed to retrieve call status. Retry with exponential backoff.")


def status_path(key: CallKey) -> str:
    """Return the path of a call's status, each part quoted, without the base address."""
    return f"{_folder(key.account_id, key.project_id)}{quote(key.call_sid, safe='')}"


# A poll worker asks for it thousands of times a second, for few accounts.
@lru_cache(1024)
def _folder(account_id: str, project_id: str) -> str:
    return f"/api/v1/{quote(account_id, safe='')}/{quote(project_id, safe='')}/outbound-call/status/"


def fingerprint(body: bytes) -> bytes:
    """Return what tells an answer's body from another: one with the same fingerprint need not be read again."""
    return blake2b(body, digest_size=_FINGERPRINT_BYTES).digest()


def parse_answer(body: bytes, key: CallKey) -> Answer:
    """Read the body of a 200 answer about `key`.

    Raises `MalformedAnswer`, and nothing else, when it is not JSON, tells of another call, or holds
    neither a status nor a history. Single entries of the history that make no sense are passed over.
    """
    document = _document(body)
    _check_call(document, key)
    told = _text(document.get("status"))[:MAX_STATUS_LENGTH]
    history = transitions(_entries(document.get("event_history")), told)
    if not status_name(told) and not history:
        raise MalformedAnswer("The answer holds neither a status nor a history.")
    return Answer(
        status=told if status_name(told) else history[-1].status,
        created_at=_time(document.get("created_at")),
        last_updated=_time(document.get("last_updated")),
        client_env=_text(document.get("client_env")),
        history=history,
        fingerprint=fingerprint(body),
    )


def write_answer(answer: Answer, key: CallKey) -> bytes:
    """Write the body of a 200 answer about `key`, which `parse_answer` reads as `answer` again.

    What the upstream has not told is an empty text, and an entry without a time has a null there.
    """
    document = {
        "call_sid": key.call_sid,
        "account_id": key.account_id,
        "project_id": key.project_id,
        "client_env": answer.client_env,
        "connector_id": key.connector_id,
        "created_at": answer.created_at,
        "status": answer.status,
        "last_updated": answer.last_updated,
        "event_history": [{step.status: step.at or None} for step in answer.history],
    }
    return json.dumps(document).encode()


def is_document(body: bytes) -> bool:
    """Whether a body is a JSON object, as all of the vendor's are."""
    try:
        _document(body)
    except MalformedAnswer:
        return False
    return True


def echoes_connector(body: bytes, key: CallKey) -> bool:
    """Whether a readable answer names the connector that it was asked with, or none."""
    return _document(body).get("connector_id") in (None, key.connector_id)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedAnswer("The answer is not JSON.") from None
    if not isinstance(document, dict):
        raise MalformedAnswer("The answer is not a JSON object.")
    return document


def _check_call(document: dict[str, Any], key: CallKey) -> None:
    if document.get("call_sid") != key.call_sid:
        raise MalformedAnswer("The answer is about another call.")
    for field, asked in (("account_id", key.account_id), ("project_id", key.project_id)):
        if document.get(field) not in (None, asked):
            raise MalformedAnswer(f"The answer's {field} is not the one that was asked for.")


def _entries(history: object) -> list[Entry]:
    """Read both shapes: `{"ringing": time}`, and `{"status": "ringing", "timestamp": time}`."""
    if not isinstance(history, list):
        return []
    found: list[Entry] = []
    for item in history:
        if not isinstance(item, dict):
            continue
        found += [read_entry(_text(status)[:MAX_STATUS_LENGTH], time) for status, time in _pairs(item)]
        if len(found) > MAX_ENTRIES:
            raise MalformedAnswer(f"The answer's event_history has more than {MAX_ENTRIES} entries.")
    return found


def _pairs(item: dict[str, Any]) -> list[tuple[object, object]]:
    """Return what an entry says; of several keys those that have a time are statuses, the others remarks."""
    if "status" in item:
        return [(item["status"], item.get("timestamp"))]
    return [(name, time) for name, time in item.items() if len(item) == 1 or parse_timestamp(time)]


def _text(value: object) -> str:
    """A text that can be stored and sent: bounded, and without halves of surrogate pairs."""
    return value[:_MAX_TEXT].encode(errors="replace").decode() if isinstance(value, str) else ""


def _time(value: object) -> str:
    instant = parse_timestamp(value)
    return format_timestamp(instant) if instant else ""
