"""What the API does of its own accord: finishing deletions of tenants that another process has left unfinished.

It also looks whether a newer release has begun to write what this one cannot read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.api.readiness import Readiness
from app.domain.errors import RingbackError
from app.service.beside import beside
from app.service.tenants import TenantService

# How long what a dead process has left lies there; looking costs one command.
INTERVAL_SECONDS = 60.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def housekeeping(
    tenants: TenantService, readiness: Readiness, interval_seconds: float = INTERVAL_SECONDS
) -> AsyncIterator[None]:
    """Look at once, and then again and again until the end."""
    async with beside(_finish_deletions(tenants, readiness, interval_seconds)):
        yield


async def _finish_deletions(tenants: TenantService, readiness: Readiness, interval_seconds: float) -> None:
    while True:
        try:
            await readiness.ensure()
            await readiness.look_for_newer()
            await tenants.finish_deletions()
        except RingbackError as error:
            log.warning("deletions of tenants wait", extra={"reason": str(error)})
        except Exception:
            # Whatever it was, the next look may find it gone; without a next look nobody would.
            log.exception("deletions of tenants wait")
        await asyncio.sleep(interval_seconds)
