"""What a worker asks of the ledger before it works: that it is there, and that it is the right one."""

import asyncio
import logging
from dataclasses import dataclass

from app.resources import Resources
from app.store.connection import StoreUnavailable, WrongPartitions

_RETRY_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no waiting would help, in one sentence for the operator."""

    reason: str


async def await_ledger(resources: Resources) -> Refused | None:
    """Wait for the ledger, and check it; returns why this process must not work with it, if so."""
    ledger = resources.ledger
    while True:
        try:
            await ledger.ping()
            await ledger.check_partitions(resources.settings.partitions)
            for warning in await ledger.durability_warnings():
                log.warning(warning)
        except StoreUnavailable as error:
            log.warning("waiting for Redis", extra={"reason": str(error)})
            await asyncio.sleep(_RETRY_SECONDS)
        except WrongPartitions as error:
            return Refused(str(error))
        else:
            return None
