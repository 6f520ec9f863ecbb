"""Use cases of tenants, and whose key a request bears."""

import logging

from app.domain.subscription import check_name
from app.service.errors import NoSuch, named
from app.store.tenants import NewTenant, Tenant, TenantStore

log = logging.getLogger(__name__)


class TenantService:
    """What the operator can do with tenants."""

    def __init__(self, tenants: TenantStore) -> None:
        self._tenants = tenants

    async def create(self, name: str, account_id: str, project_id: str, connector_id: str) -> NewTenant:
        """Create a tenant; its API key can be read nowhere else afterwards."""
        for field_name, value in (
            ("account_id", account_id),
            ("project_id", project_id),
            ("connector_id", connector_id),
        ):
            named(field_name, check_name, field_name, value)
        new = await self._tenants.create(name, account_id, project_id, connector_id)
        log.info("tenant created", extra={"tenant_id": new.tenant.id})
        return new

    async def get(self, tenant_id: str) -> Tenant:
        """Return a tenant, or raise `NoSuch`."""
        found = await self._tenants.get(tenant_id)
        if found is None:
            raise NoSuch("There is no such tenant.")
        return found

    async def page(self, *, limit: int, after: str) -> list[Tenant]:
        """Return up to `limit` tenants, the oldest first, behind the id `after`."""
        return await self._tenants.page(limit=limit, after=after)

    async def authenticate(self, api_key: str) -> Tenant | None:
        """Return the tenant whose key this is, or None."""
        return await self._tenants.authenticate(api_key)
