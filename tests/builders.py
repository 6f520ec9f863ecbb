"""Things of the domain with a default for everything: a test names only what it is about.

The defaults are the vendor's own example: a call of five statuses that was answered and completed.
"""

import json
from collections.abc import Sequence
from typing import Any

from app.domain.call import Answer, CallKey, Transition
from app.domain.event import CallNames, Event, LostReason
from app.domain.snapshot import Ahead, Snapshot
from app.domain.watch import NO_TROUBLE, Trouble, Watch

ACCOUNT = "your-account-id"
PROJECT = "your-project-id"
# A credential: a test that finds it in anything that leaves the service has found a leak.
CONNECTOR = "connector-that-nobody-may-see"
CALL_SID = "OUT-550e8400-e29b-41d4-a716-446655440000"
# 2024-03-15T10:00:00Z, when the vendor's example call was created.
START = 1710496800.0
# The vendor's example: each status and its time, in order.
LIFE = (
    ("CREATED", "2024-03-15T10:00:00Z"),
    ("queued", "2024-03-15T10:00:01Z"),
    ("ringing", "2024-03-15T10:00:05Z"),
    ("in-progress", "2024-03-15T10:00:12Z"),
    ("completed", "2024-03-15T10:05:30Z"),
)

Pairs = Sequence[tuple[str, object]]


def make_key(
    *,
    account_id: str = ACCOUNT,
    project_id: str = PROJECT,
    connector_id: str = CONNECTOR,
    call_sid: str = CALL_SID,
) -> CallKey:
    return CallKey(account_id, project_id, connector_id, call_sid)


def make_names(*, account_id: str = ACCOUNT, project_id: str = PROJECT, call_sid: str = CALL_SID) -> CallNames:
    return CallNames(account_id, project_id, call_sid)


def one_key_entries(pairs: Pairs) -> list[dict[str, object]]:
    """Write a history in the shape of the vendor's example."""
    return [{status: time} for status, time in pairs]


def named_entries(pairs: Pairs) -> list[dict[str, object]]:
    """Write a history in the shape of the vendor's prose."""
    return [{"status": status, "timestamp": time} for status, time in pairs]


def make_document(
    *,
    key: CallKey | None = None,
    pairs: Pairs = LIFE,
    status: object = None,
    last_updated: object = None,
    **fields: object,
) -> dict[str, Any]:
    """Return the upstream's answer; `status` and `last_updated` are the last pair's unless given.

    `fields` replace whole fields of the answer, `event_history` included.
    """
    key = key or make_key()
    last_status, last_time = pairs[-1] if pairs else ("CREATED", "2024-03-15T10:00:00Z")
    return {
        "call_sid": key.call_sid,
        "account_id": key.account_id,
        "project_id": key.project_id,
        "client_env": "production",
        "connector_id": key.connector_id,
        "created_at": "2024-03-15T10:00:00Z",
        "status": last_status if status is None else status,
        "last_updated": last_time if last_updated is None else last_updated,
        "event_history": one_key_entries(pairs),
        **fields,
    }


def make_body(
    *,
    key: CallKey | None = None,
    pairs: Pairs = LIFE,
    status: object = None,
    last_updated: object = None,
    **fields: object,
) -> bytes:
    """Return `make_document` as the bytes that the upstream sends."""
    document = make_document(key=key, pairs=pairs, status=status, last_updated=last_updated, **fields)
    return json.dumps(document).encode()


def make_transition(
    *,
    name: str = "ringing",
    status: str = "ringing",
    occurrence: int = 1,
    at: str = "2024-03-15T10:00:05Z",
) -> Transition:
    return Transition(name, status, occurrence, at)


def make_answer(
    *,
    status: str = "ringing",
    created_at: str = "2024-03-15T10:00:00Z",
    last_updated: str = "2024-03-15T10:00:05Z",
    client_env: str = "production",
    history: Sequence[Transition] | None = None,
) -> Answer:
    """Return an answer whose history is one ringing entry unless given."""
    told = (make_transition(),) if history is None else tuple(history)
    return Answer(status, created_at, last_updated, client_env, told)


def make_snapshot(
    *,
    status: str = "ringing",
    latest: str = "ringing",
    created_at: str = "2024-03-15T10:00:00Z",
    last_updated: str = "2024-03-15T10:00:05Z",
    client_env: str = "production",
    seen: dict[str, int] | None = None,
    ahead: Ahead | None = None,
) -> Snapshot:
    return Snapshot(
        status, latest, created_at, last_updated, client_env, {"ringing": 1} if seen is None else seen, ahead
    )


def make_watch(
    *,
    key: CallKey | None = None,
    registered_at: float = START,
    phase_since: float | None = None,
    snapshot: Snapshot | None = None,
    trouble: Trouble = NO_TROUBLE,
    lost: LostReason | None = None,
) -> Watch:
    """Return the watch of a call that the upstream has not told of yet, unless `snapshot` is given."""
    return Watch(
        key or make_key(),
        registered_at=registered_at,
        phase_since=registered_at if phase_since is None else phase_since,
        snapshot=snapshot or Snapshot(),
        trouble=trouble,
        lost=lost,
    )


def make_event(
    *,
    name: str = "completed",
    occurrence: int = 1,
    status: str = "completed",
    previous: str = "in-progress",
    occurred_at: str = "2024-03-15T10:05:30Z",
    observed_at: float = START + 331.25,
    reason: str = "",
) -> Event:
    return Event(name, occurrence, status, previous, occurred_at, observed_at, reason)
