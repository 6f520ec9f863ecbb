"""Lives of the stub's calls. All of a life stands in the call's SID, so that nobody has to register it at the stub.

A SID is `OUT-<epoch>-<offsets>-<number>`: the epoch in Unix milliseconds; what passes from there to each status behind
the first, in milliseconds and joined by dots; and a number that tells apart calls of the same life.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

STATUSES = ("CREATED", "queued", "ringing", "in-progress", "completed")


@dataclass(frozen=True, slots=True)
class Life:
    """A life that begins as CREATED at `epoch_ms`, before which the stub knows no such call.

    With fewer than four offsets it never ends: two are a call that rings for ever, three one that is in progress.
    """

    epoch_ms: int
    offsets_ms: tuple[int, ...] = ()

    @classmethod
    def ringing(cls, now: float) -> Self:
        """Return a life that has been ringing since a second before `now` (Unix seconds), and always will."""
        return cls(round(now * 1000) - 3000, (500, 2000))

    @classmethod
    def in_progress(cls, now: float) -> Self:
        """Return a life that has been in progress since a second before `now` (Unix seconds), and always will."""
        return cls(round(now * 1000) - 10_000, (500, 2000, 9000))

    @classmethod
    def of(cls, sid: str) -> Self:
        """Read a SID that `sid` wrote; raises ValueError for any other."""
        prefix, epoch, offsets, _ = sid.split("-")
        if prefix != "OUT":
            raise ValueError(sid)
        return cls(int(epoch), tuple(int(offset) for offset in offsets.split(".") if offset))

    def sid(self, number: int) -> str:
        return f"OUT-{self.epoch_ms}-{'.'.join(map(str, self.offsets_ms))}-{number:08}"

    def steps(self) -> Iterator[tuple[str, int]]:
        """Yield each status of the whole life and the Unix milliseconds from which on it is true, in order."""
        return zip(STATUSES, (self.epoch_ms, *(self.epoch_ms + offset for offset in self.offsets_ms)), strict=False)

    def status(self, now: float) -> str:
        """Return the status at `now` (Unix seconds); empty before the epoch."""
        return next((status for status, at in reversed(list(self.steps())) if at <= now * 1000), "")

    def true_until(self, now: float) -> float:
        """Return when the status changes next, in Unix seconds; infinity when it never does."""
        return next((at / 1000 for _, at in self.steps() if at > now * 1000), math.inf)


def answer(account: str, project: str, connector: str, sid: str, now: float) -> bytes:
    """Return what the vendor says of a call at `now` (Unix seconds), not before its epoch.

    Raises ValueError for a SID that is none of ours.
    """
    life = Life.of(sid)
    steps = [(status, _timestamp(at)) for status, at in life.steps() if at <= now * 1000]
    document = {
        "call_sid": sid,
        "account_id": account,
        "project_id": project,
        "client_env": "production",
        "connector_id": connector,
        "created_at": steps[0][1],
        "status": steps[-1][0],
        "last_updated": steps[-1][1],
        "event_history": [{status: at} for status, at in steps],
    }
    return json.dumps(document).encode()


def _timestamp(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
