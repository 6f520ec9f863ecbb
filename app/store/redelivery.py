"""Sending again what was sent before, or given up: by hand, or by moving a cursor back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from app.store.connection import Ledger
from app.store.keys import Partition


class Redelivered(IntEnum):
    """What became of a wish: the numbers are the scripts'."""

    GONE = 0
    DONE = 1
    ENDED = 2
    STALE = 3


@dataclass(frozen=True, slots=True)
class Retry:
    """One delivery to be tried again now, with the whole schedule; see retry_delivery.lua.

    `head_behind` is the cursor that was read, where this is the head of its queue; else None.
    """

    subscription_id: str
    sequence: int
    head_behind: int | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Replay:
    """A subscription's events to be sent again in order, from the sequence `first` on; see replay.lua.

    `cursor` is the one that was read where the plan stands or falls with it, else None.
    """

    subscription_id: str
    first: int
    cursor: int | None = None


class RedeliveryStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def retry(self, partition: Partition, tenant_id: str, retries: Sequence[Retry]) -> list[Redelivered]:
        """Try deliveries of one tenant and partition again."""
        arguments: list[object] = [partition.prefix]
        for one in retries:
            arguments += [
                one.subscription_id,
                one.sequence,
                _or_nothing(one.head_behind),
                round(one.wait_seconds * 1000),
            ]
        return await self._run("retry_delivery", partition, tenant_id, arguments)

    async def replay(self, partition: Partition, tenant_id: str, replays: Sequence[Replay]) -> list[Redelivered]:
        """Send events of one tenant's subscriptions in a partition again."""
        arguments: list[object] = [partition.prefix]
        for one in replays:
            arguments += [one.subscription_id, one.first, _or_nothing(one.cursor)]
        return await self._run("replay", partition, tenant_id, arguments)

    async def _run(
        self, script: str, partition: Partition, tenant_id: str, arguments: Sequence[object]
    ) -> list[Redelivered]:
        if len(arguments) == 1:
            return []
        results = await self._ledger.run(script, [partition.outbox, partition.failed(tenant_id)], arguments)
        return [Redelivered(result) for result in results]


def _or_nothing(cursor: int | None) -> int | str:
    return "" if cursor is None else cursor
