"""Use cases of the operator: tenants, their API keys, and whose key a request bears."""

import logging
from dataclasses import dataclass, fields

from app.domain.call import CallKey
from app.domain.subscription import check_name
from app.domain.tenant import Quotas
from app.service.errors import Conflict, NoSuch, named
from app.store.api_keys import MAX_API_KEYS, Admitted, ApiKey, ApiKeyStore, NewApiKey, NotAdded, Throttled
from app.store.connection import PartlyWritten, StoreTakesNoWrites
from app.store.connectors import ConnectorStore
from app.store.departures import Departures
from app.store.tenants import NewTenant, Tenant, TenantChange, TenantPage, TenantStore

_NO_SUCH = "There is no such tenant."
_NO_SUCH_KEY = "There is no such API key."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """Some of a tenant's keys, the oldest first; `following` is where to go on, empty at the end."""

    items: tuple[ApiKey, ...]
    following: str


class TenantService:
    """What the operator can do with tenants."""

    def __init__(
        self, *, tenants: TenantStore, api_keys: ApiKeyStore, departures: Departures, connectors: ConnectorStore
    ) -> None:
        self._tenants = tenants
        self._connectors = connectors
        self._api_keys = api_keys
        self._departures = departures

    async def create(
        self, name: str, account_id: str, project_id: str, connector_id: str, quotas: Quotas | None = None
    ) -> NewTenant:
        """Create a tenant; its API key can be read nowhere else afterwards."""
        _check(TenantChange(None, account_id, project_id, connector_id))
        new = await self._tenants.create(name, account_id, project_id, connector_id, quotas)
        await self._connectors.remember([_default_key(new.tenant)])
        log.info("tenant created", extra={"tenant_id": new.tenant.id})
        return new

    async def get(self, tenant_id: str) -> Tenant:
        """Return a tenant, or raise `NoSuch`."""
        found = await self._tenants.get(tenant_id)
        if found is None:
            raise NoSuch(_NO_SUCH)
        return found

    async def page(self, *, limit: int, after: str) -> TenantPage:
        """Return up to `limit` tenants, the oldest first, behind the id `after`."""
        return await self._tenants.page(limit=limit, after=after)

    async def change(self, tenant_id: str, change: TenantChange) -> Tenant:
        """Change a tenant, from its next request and registration on; raises `NoSuch` and `InvalidField`."""
        _check(change)
        if not await self._tenants.change(tenant_id, change):
            raise NoSuch(_NO_SUCH)
        said = [one.name for one in fields(change) if getattr(change, one.name) not in (None, {})]
        log.info("tenant changed", extra={"tenant_id": tenant_id, "changed": said})
        changed = await self.get(tenant_id)
        await self._connectors.remember([_default_key(changed)])
        return changed

    async def delete(self, tenant_id: str) -> None:
        """Delete a tenant: its keys open nothing any more, and its subscriptions are cancelled.

        Raises `NoSuch`; a deletion that was begun and not finished is taken up again instead.
        """
        if not await self._departures.begin(tenant_id):
            raise NoSuch(_NO_SUCH)
        try:
            await self._see_off(tenant_id)
        except StoreTakesNoWrites as error:
            raise PartlyWritten(str(error)) from error

    async def finish_deletions(self) -> None:
        """Take up what deletions have left: those whose process died, and what came in at the last moment."""
        for tenant_id in await self._departures.under_way():
            await self._see_off(tenant_id)

    async def create_api_key(self, tenant_id: str, name: str) -> NewApiKey:
        """Give a tenant another key, which can be read nowhere else afterwards; raises `NoSuch` and `Conflict`."""
        match await self._api_keys.create(tenant_id, name):
            case NewApiKey() as new:
                log.info("api key created", extra={"tenant_id": tenant_id, "key_id": new.key.id})
                return new
            case NotAdded.TOO_MANY:
                raise Conflict(f"A tenant has {MAX_API_KEYS} API keys at most: revoke one that is not used any more.")
            case NotAdded.NO_SUCH_TENANT:
                raise NoSuch(_NO_SUCH)

    async def api_keys(self, tenant_id: str, *, limit: int, after: str) -> ApiKeyPage:
        """Return up to `limit` of a tenant's keys, the oldest first, behind the id `after`; raises `NoSuch`."""
        found = await self._api_keys.of_tenant(tenant_id)
        if found is None:
            raise NoSuch(_NO_SUCH)
        behind = [one for one in found if one.id > after]
        shown = tuple(behind[:limit])
        return ApiKeyPage(shown, shown[-1].id if len(behind) > limit else "")

    async def revoke_api_key(self, tenant_id: str, key_id: str) -> None:
        """Let a key open nothing any more, from this moment on; raises `NoSuch`."""
        if not await self._api_keys.revoke(tenant_id, key_id):
            raise NoSuch(_NO_SUCH_KEY)
        log.info("api key revoked", extra={"tenant_id": tenant_id, "key_id": key_id})

    async def authenticate(self, api_key: str) -> Admitted | Throttled | None:
        """Return whose key a request bears, or None; the request is counted against its tenant's bound."""
        return await self._api_keys.authenticate(api_key)

    async def _see_off(self, tenant_id: str) -> None:
        leaving = await self._departures.lock_out(tenant_id)
        cancelled = await self._departures.cancel_all(leaving)
        about = {"tenant_id": tenant_id, "subscriptions_cancelled": cancelled, "settled": leaving.settled}
        log.info("tenant deleted", extra=about)


def _default_key(tenant: Tenant) -> CallKey:
    """Return the key of no call with a tenant's connector."""
    return CallKey(tenant.account_id, tenant.project_id, tenant.connector_id, "")


def _check(change: TenantChange) -> None:
    for field_name in ("account_id", "project_id", "connector_id"):
        value = getattr(change, field_name)
        if value is not None:
            named(field_name, check_name, field_name, value)
