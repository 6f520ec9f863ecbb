"""Whether the API can do its work: the ledger answers, and is the one that these settings belong to."""

import asyncio
import logging

from app.store.connection import Ledger, StoreRefuses, StoreUnavailable, WrongPartitions
from app.store.layouts import NewerLayout, check_layouts

_PROBE_SECONDS = 1.0
_BOOT_SECONDS = 3.0

log = logging.getLogger(__name__)


class Readiness:
    """Redis may come up after the API: what is to be checked of it once is checked when it first answers."""

    def __init__(self, ledger: Ledger, partitions: int) -> None:
        self._ledger = ledger
        self._partitions = partitions
        self._checked = False

    async def at_boot(self) -> None:
        """Look once; a Redis that is not there yet is waited for by `ensure`.

        Raises `WrongPartitions`, `NewerLayout` or `StoreRefuses`: no waiting helps against those.
        """
        try:
            await self._probe(_BOOT_SECONDS)
        except StoreRefuses as error:
            log.critical("RINGBACK_REDIS_URL: %s", error)
            raise
        except StoreUnavailable as error:
            log.warning("started without Redis, and not ready before it answers", extra={"reason": str(error)})
        except (WrongPartitions, NewerLayout) as error:
            log.critical(str(error))
            raise

    async def probe(self) -> None:
        """Raise `StoreUnavailable`, `WrongPartitions` or `NewerLayout` when nothing can be done now.

        Answers within a second.
        """
        await self._probe(_PROBE_SECONDS)

    async def ensure(self) -> None:
        """Check the ledger unless that has been done; with another number of partitions nothing would be found."""
        if self._checked:
            return
        await self._ledger.check_partitions(self._partitions)
        await check_layouts(self._ledger)
        self._checked = True
        try:
            for warning in await self._ledger.durability_warnings():
                log.warning(warning)
        except StoreUnavailable as error:
            log.warning("what Redis keeps could not be looked up", extra={"reason": str(error)})

    async def look_for_newer(self) -> None:
        """Say so when a newer release has begun to write what this one cannot read; it goes on with what it can.

        It stays ready: with every process of a release that was skipped out of the balancer, nobody could register.
        """
        try:
            await check_layouts(self._ledger)
        except NewerLayout as error:
            log.critical("some records cannot be read here: %s", error)

    async def _probe(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ledger.ping()
                await self.ensure()
        except TimeoutError:
            raise StoreUnavailable("Redis does not answer in time.") from None
