"""Use cases of destinations: which are in trouble, told to their tenant, and all of them to the operator."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.store.tenants import Tenant, TenantStore
from app.store.troubled import TroubledPage, TroubledStore


@dataclass(frozen=True, slots=True)
class TroubleOfAll:
    """A page of all tenants' destinations in trouble, and the names of their tenants by id.

    A tenant that has been deleted meanwhile has no name.
    """

    page: TroubledPage
    tenant_names: Mapping[str, str]


class DestinationService:
    """What can be learned of destinations that fail."""

    def __init__(self, troubled: TroubledStore, tenants: TenantStore) -> None:
        self._troubled = troubled
        self._tenants = tenants

    async def page(self, tenant: Tenant, *, limit: int, place: str) -> TroubledPage:
        """Return a page of the tenant's destinations in trouble; see `TroubledStore.page`."""
        return await self._troubled.page(limit=limit, place=place, tenant_id=tenant.id)

    async def page_of_all(self, *, limit: int, place: str) -> TroubleOfAll:
        """Return a page of all tenants'."""
        page = await self._troubled.page(limit=limit, place=place)
        ids = list(dict.fromkeys(one.tenant_id for one in page.items))
        return TroubleOfAll(page, await self._tenants.names_of(ids))
