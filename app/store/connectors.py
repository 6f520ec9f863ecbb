"""Which connectors are known here, and what is kept of a call that is asked for with its connector.

Who asks with all four parts of a call's key has named the key under which it is kept, so one round trip answers;
another connector leads to another key, where there is nothing.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.domain.call import CallKey
from app.store import keys
from app.store.connection import Ledger, StoreUnavailable, translated_errors
from app.store.keys import all_partitions, partition_number
from app.store.watches import CallPlace, KeptCall, WatchStore

# A connector is known for as long after its last use here. A quarter of a year: a customer that places
# no calls for a season is still told that a call is unknown, and not that its connector is.
_REMEMBERED_MS = 90 * 24 * 3600 * 1000
# A process writes a connector down again after a day, and holds so many in mind.
_SAID_AGAIN_SECONDS = 24 * 3600.0
_MOST_IN_MIND = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What there is under a call's key, and whether its connector is known for that account and project."""

    call: KeptCall | None
    connector_known: bool


class ConnectorStore:
    def __init__(self, ledger: Ledger, watches: WatchStore, partitions: int) -> None:
        self._ledger = ledger
        self._watches = watches
        self._partitions = all_partitions(partitions)
        # By account, project and connector.
        self._in_mind: dict[tuple[str, str, str], float] = {}

    async def remember(self, used: Iterable[CallKey]) -> None:
        """Note that connectors are used here; nearly always they are in mind, and nothing is asked of Redis.

        What they are used for is done by now, and is not undone by what Redis cannot note: their next use is noted.
        """
        now = self._ledger.clock.now()
        named = ((key, (key.account_id, key.project_id, key.connector_id)) for key in used)
        new = {whose: key for key, whose in named if self._in_mind.get(whose, 0.0) <= now}
        if not new:
            return
        try:
            await self._write_down(new.values())
        except StoreUnavailable as error:
            log.warning("connectors could not be noted", extra={"reason": str(error)})
            return
        if len(self._in_mind) + len(new) > _MOST_IN_MIND:
            self._in_mind.clear()
        self._in_mind.update(dict.fromkeys(new, now + _SAID_AGAIN_SECONDS))

    async def _write_down(self, used: Iterable[CallKey]) -> None:
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for key in used:
                pipe.set(keys.connector(_name(key)), "", px=_REMEMBERED_MS)
            await pipe.execute()

    async def look_up(self, key: CallKey) -> Lookup:
        """Return what is kept under `key`, in one round trip."""
        partition = self._partitions[partition_number(key.call_sid, len(self._partitions))]
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            self._watches.queue_read(pipe, CallPlace(partition, key.watch_id))
            pipe.exists(keys.connector(_name(key)))
            *answers, known = await pipe.execute()
        return Lookup(self._watches.kept(answers), bool(known))


def _name(key: CallKey) -> str:
    """Name a connector and whose it is: what a call without a SID would be called."""
    return replace(key, call_sid="").watch_id
