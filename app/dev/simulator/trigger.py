"""What a trigger request may ask for; see `server.py` for the whole description."""

import json
import math
from dataclasses import dataclass
from typing import Any

from app.dev.simulator.life import Life, Step

MAX_CALLS_AT_ONCE = 10_000
# More than any call has, and few enough to print in every answer.
MAX_STEPS = 1_000
# A day: whoever scripts a longer life has most likely mistaken the unit.
MAX_OFFSET_SECONDS = 86_400.0


class BadTrigger(Exception):
    """The message says what to change."""


@dataclass(frozen=True, slots=True)
class One:
    """A single call, answered with its `call_sid`."""

    script: Life | None = None


@dataclass(frozen=True, slots=True)
class Many:
    """`count` calls, answered with their `call_sids`."""

    count: int
    script: Life | None = None


def parse_trigger(body: bytes) -> One | Many:
    """Raises BadTrigger."""
    document = _json_object(body)
    script = _script(document["life"]) if document.get("life") is not None else None
    count = document.get("count")
    if count is None:
        return One(script)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_CALLS_AT_ONCE:
        raise BadTrigger(f"count must be a whole number from 1 to {MAX_CALLS_AT_ONCE}")
    return Many(count, script)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body.strip() else {}
    except ValueError:
        raise BadTrigger("the body is not JSON") from None
    if not isinstance(document, dict):
        raise BadTrigger("the body is not a JSON object")
    return document


def _script(entries: object) -> Life:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_STEPS:
        raise BadTrigger(f"life must be a list of 1 to {MAX_STEPS} steps")
    steps = tuple(_step(entry) for entry in entries)
    offsets = [step.offset_seconds for step in steps]
    if offsets != sorted(offsets):
        raise BadTrigger("the offsets of a life must not go backwards")
    return Life(steps)


def _step(entry: object) -> Step:
    match entry:
        case [bool(), _]:
            pass
        case [int() | float() as offset, str(status)] if status and _is_offset(offset):
            return Step(float(offset), status)
    raise BadTrigger(f'a step is [offset, "status"], the offset in seconds from 0 to {MAX_OFFSET_SECONDS:g}')


def _is_offset(offset: float) -> bool:
    return math.isfinite(offset) and 0 <= offset <= MAX_OFFSET_SECONDS
