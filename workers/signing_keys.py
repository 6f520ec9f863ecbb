"""The keys that sign a tenant's deliveries, read again every second.

What is remembered are the secrets with their times, and which of them sign is asked at each attempt: one that has
expired stops at that moment, and one that is new begins within a second, long before the old one ends.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from app.domain.signing_secrets import SigningSecret, signing_keys
from app.store.clock import StoreClock
from app.store.signing_secrets import SigningSecretStore

# One small read a second for each tenant that has something to deliver; the API's documentation promises it.
FRESH_SECONDS = 1.0
_MOST_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    asked_at: float
    secrets: tuple[SigningSecret, ...]


class SigningKeys:
    """A small cache of tenants' signing secrets."""

    def __init__(self, secrets: SigningSecretStore, clock: StoreClock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}

    async def of(self, tenant_id: str) -> tuple[bytes, ...]:
        """Return a tenant's keys, the newest first; none when there is no such tenant."""
        known = self._known.get(tenant_id)
        if known is None or not 0 <= self._clock.now() - known.asked_at < FRESH_SECONDS:
            known = await self._ask(tenant_id)
        return signing_keys(known.secrets, self._clock.now())

    async def _ask(self, tenant_id: str) -> _Known:
        """Read a tenant's secrets; whoever wants them meanwhile waits for the same answer."""
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = asyncio.create_task(self._read(tenant_id))
            self._asking[tenant_id] = asking
            asking.add_done_callback(partial(self._answered, tenant_id))
        return await asyncio.shield(asking)

    def _answered(self, tenant_id: str, asking: asyncio.Task[_Known]) -> None:
        del self._asking[tenant_id]
        if not asking.cancelled():
            # Looked at, since whoever waited for it may have gone.
            asking.exception()

    async def _read(self, tenant_id: str) -> _Known:
        known = _Known(self._clock.now(), await self._secrets.of(tenant_id))
        if len(self._known) >= _MOST_TENANTS:
            self._known.clear()
        self._known[tenant_id] = known
        return known
