"""How the whole installation is doing, for whoever runs it to see at a glance.

It is read from the same places as the vital signs (`app/service/vital_signs.py`), when it is asked for. Somebody who
looks here may do so because something is wrong: each part is asked for on its own, and one that is not answered in
time is missing, and takes no other with it.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from app.domain.errors import RingbackError
from app.queue import QueueSigns, QueueVitalSigns
from app.redis.health import RedisHealth
from app.store.connection import Ledger
from app.store.tenants import TenantStore
from app.store.vital_signs import LedgerSigns, VitalSigns

Part = TypeVar("Part")

# For each part, all of which are asked for at once.
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Overview:
    """How the installation is doing; what could not be read just now is None."""

    tenants: int | None
    ledger: LedgerSigns | None
    ledger_redis: RedisHealth | None
    queue: QueueSigns | None


class OverviewService:
    """Looks at everything."""

    def __init__(self, *, ledger: Ledger, signs: VitalSigns, queue: QueueVitalSigns, tenants: TenantStore) -> None:
        self._ledger = ledger
        self._signs = signs
        self._queue = queue
        self._tenants = tenants

    async def look(self) -> Overview:
        """Return what can be read within a few seconds; a Redis that is away raises nothing."""
        tenants, ledger, health, queue = await asyncio.gather(
            _if_told(self._tenants.count()),
            _if_told(self._signs.read()),
            _if_told(self._ledger.health()),
            _if_told(self._queue.read()),
        )
        return Overview(tenants, ledger, health, queue)


async def _if_told(asked: Awaitable[Part]) -> Part | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await asked
    except (RingbackError, TimeoutError):
        # Whoever works with this Redis says so in the log.
        return None
