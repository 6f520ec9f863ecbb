"""The keys that sign a tenant's deliveries, read again every few seconds."""

from app.domain.signing import secret_key
from app.store.clock import StoreClock
from app.store.tenants import TenantStore

# A rotated secret signs after at most this long; the old one signs beside it for the whole overlap.
_FRESH_SECONDS = 5.0
_MOST_TENANTS = 10_000


class SigningKeys:
    """A small cache of tenants' signing keys."""

    def __init__(self, tenants: TenantStore, clock: StoreClock) -> None:
        self._tenants = tenants
        self._clock = clock
        self._known: dict[str, tuple[float, tuple[bytes, ...]]] = {}

    async def of(self, tenant_id: str) -> tuple[bytes, ...]:
        """Return a tenant's keys, the newest first; none when there is no such tenant."""
        read_at, keys = self._known.get(tenant_id, (0.0, ()))
        now = self._clock.now()
        if not 0 <= now - read_at < _FRESH_SECONDS:
            tenant = await self._tenants.get(tenant_id)
            keys = tuple(secret_key(secret) for secret in tenant.signing_secrets) if tenant else ()
            if len(self._known) >= _MOST_TENANTS:
                self._known.clear()
            self._known[tenant_id] = (now, keys)
        return keys
