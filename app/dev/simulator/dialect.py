"""The words of the vendor's status endpoint, written from its page and from nothing of Ringback's own."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.dev.simulator.calls import Call
from app.dev.simulator.settings import SimulatorSettings

CONNECTOR_HEADER = "x-connector-id"
STATUS_PATH = "/api/v1/{account_id}/{project_id}/outbound-call/status/{call_sid}"

# The page says only "starts with OUT-". What follows is read generously, so that a call that was made up is
# unknown (404) and only nonsense is invalid (400).
_CALL_SID = re.compile(r"OUT-[0-9A-Za-z_-]{1,64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is the call status that a 200 shows."""

    code: int
    body: bytes
    status: str | None = None


def _problem(code: int, message: str) -> Answer:
    """The page names the codes and their meaning, but shows no error body. This one is ours."""
    return Answer(code, json.dumps({"error": message}).encode())


INVALID_CALL_SID = _problem(400, "Invalid call SID format.")
UNAUTHORIZED = _problem(401, "Invalid or missing connector ID.")
NOT_FOUND = _problem(404, "Call SID not found.")
FAILED = _problem(500, "Failed to retrieve call status. Retry with exponential backoff.")


def is_call_sid(text: str) -> bool:
    return _CALL_SID.fullmatch(text) is not None


def timestamp(at: int, settings: SimulatorSettings) -> str:
    """ISO 8601 in UTC with a Z. Whole seconds are cut, not rounded: nothing is dated into the future."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if settings.whole_seconds else "%Y-%m-%dT%H:%M:%S.%fZ")


def status_answer(call: Call, shown: int, settings: SimulatorSettings) -> Answer:
    """The 200 for a call of which the first `shown` steps, at least one, have happened."""
    times = [timestamp(at, settings) for at in call.moments[:shown]]
    statuses = call.statuses[:shown]
    document = {
        "call_sid": call.call_sid,
        "account_id": call.owner.account_id,
        "project_id": call.owner.project_id,
        "client_env": settings.client_env,
        "connector_id": call.owner.connector_id,
        "created_at": times[0],
        "status": statuses[-1],
        "last_updated": times[-1],
        "event_history": [{status: at} for status, at in zip(statuses, times, strict=True)],
    }
    return Answer(200, json.dumps(document).encode(), statuses[-1])
