"""What a worker asks of the ledger before it works: that it is there, and that it is the right one."""

import asyncio
import logging
from dataclasses import dataclass

from app.queue import refusal_of_queue
from app.resources import Resources
from app.store.connection import StoreRefuses, StoreUnavailable, WrongPartitions
from app.store.layouts import NewerLayout, check_layouts

_RETRY_SECONDS = 0.5
# One command of one key; what is claimed in between and cannot be read waits for its lease.
_LOOK_SECONDS = 2.0

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
            await check_layouts(ledger)
            for warning in await ledger.durability_warnings():
                log.warning(warning)
        except StoreRefuses as error:
            return Refused(f"RINGBACK_REDIS_URL: {error}")
        except StoreUnavailable as error:
            log.warning("waiting for Redis", extra={"reason": str(error)})
            await asyncio.sleep(_RETRY_SECONDS)
        except (WrongPartitions, NewerLayout) as error:
            return Refused(str(error))
        else:
            return None


async def ask_queue(url: str) -> Refused | None:
    """Ask the queue's Redis once; returns why it refuses us, if it does. arq would wait for it for ever."""
    refusal = await refusal_of_queue(url)
    return (
        Refused(f"the queue (RINGBACK_QUEUE_REDIS_URL, or RINGBACK_REDIS_URL without it): {refusal}")
        if refusal
        else None
    )


async def until_newer(resources: Resources) -> NewerLayout:
    """Look again and again, and return once somebody has begun to write what this release cannot read."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await check_layouts(resources.ledger)
        except NewerLayout as error:
            return error
        except StoreUnavailable as error:
            log.debug("the layouts could not be looked up", extra={"reason": str(error)})
