"""The event that `POST /v1/callbacks/test` sends: of no call, and with nothing in it to act on."""

import json
from dataclasses import dataclass

from app.domain import ids
from app.domain.timestamps import format_unix

PING = "ping"


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping's id, and its body as it is signed and sent."""

    id: str
    body: bytes


def make_ping(now: float, chance: bytes) -> Ping:
    """Make a ping; `now` in Unix seconds, `chance` are `ids.CHANCE_BYTES` random bytes."""
    event_id = ids.plain_id("evt_", now, chance)
    document = {"type": PING, "timestamp": format_unix(now), "data": {"event_id": event_id}}
    return Ping(event_id, json.dumps(document, separators=(",", ":")).encode())
