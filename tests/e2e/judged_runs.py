"""Runs for the judge to judge: a call with two subscribers, and what each of them should get."""

import json
import random
from dataclasses import replace
from typing import Any

from tests.judge import Delivery, Subscriber

SID = "OUT-1"
STATUSES = ("CREATED", "queued", "ringing", "in-progress", "completed")
FIRST, SECOND = Subscriber("/1", SID), Subscriber("/2", SID)


def make_entry(*, polls: tuple[str | None, ...] = ("queued", "in-progress", "completed")) -> dict[str, Any]:
    history = [
        {"status": status, "timestamp": f"2024-03-15T10:00:0{place}.000100Z", "at": 1710496800.0001 + place}
        for place, status in enumerate(STATUSES)
    ]
    asked = [{"at": 0.0, "code": 200 if status else 500, "status": status} for status in polls]
    owner = {"account_id": "acc", "project_id": "pro"}
    return {"call_sid": SID, **owner, "history": history, "polls": asked, "poll_count": len(asked)}


def make_delivery(place: int, *, path: str = "/1", **changes: object) -> Delivery:
    """Return what the contract promises for the call's n-th transition, with some of its data changed."""
    status = STATUSES[place - 1]
    kind = "call." + status.lower().replace("-", "_")
    data = {
        "event_id": f"evt_{place}",
        "sequence": place,
        "final": status == "completed",
        "status": status,
        "previous_status": STATUSES[place - 2] if place > 1 else None,
        "call_sid": SID,
        "account_id": "acc",
        "project_id": "pro",
        "subscription_id": f"sub_{path}",
        "occurred_at": f"2024-03-15T10:00:0{place - 1}.000100Z",
        "observed_at": "2024-03-15T10:00:09Z",
        **changes,
    }
    document = {"type": kind, "timestamp": data["occurred_at"], "data": data}
    return Delivery(path, str(data["event_id"]), json.dumps(document).encode())


def good_run(path: str = "/1") -> list[Delivery]:
    return [make_delivery(place, path=path) for place in range(1, 6)]


def accept(run: list[Delivery]) -> list[Delivery]:
    """Give each its moment, 2 s after the one before, and the first 10 s after it happened."""
    return [replace(one, at=1710496810.0001 + 2 * place) for place, one in enumerate(run)]


def mixed(chance: random.Random) -> list[Delivery]:
    """Return a good run of two subscribers, whose deliveries come in each other's way."""
    waiting = [good_run(), good_run("/2")]
    run = []
    while any(waiting):
        run.append(chance.choice([one for one in waiting if one]).pop(0))
    return run
