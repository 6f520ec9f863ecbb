"""Routes of the operator: tenants."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import ServiceDep, require_admin, require_json
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented, located
from app.api.schemas import tenant as schemas
from app.domain.tenant import Quotas

router = APIRouter(
    prefix="/v1/admin/tenants",
    tags=["admin"],
    dependencies=[Depends(require_admin)],
    responses=documented(401, 503),
)

_PLACE = re.compile(r"ten_[0-9a-z]{20}")
_Id = Annotated[str, Path(description="The tenant's id.", examples=["ten_1m842cp907q3yc2f95cq"])]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(require_json)],
    responses={**located("The new tenant. Both secrets are shown this once."), **documented(400, 413, 415, 422)},
)
async def create_tenant(wanted: schemas.NewTenant, response: Response, service: ServiceDep) -> schemas.CreatedTenant:
    """Create a tenant with a first API key and a signing secret."""
    new = await service.tenants.create(
        wanted.name, wanted.account_id, wanted.project_id, wanted.connector_id, Quotas(**wanted.quotas.said())
    )
    response.headers["Location"] = f"{router.prefix}/{new.tenant.id}"
    response.headers["Cache-Control"] = "no-store"
    return schemas.CreatedTenant.of(new)


@router.get("", responses=documented(422))
async def list_tenants(query: Annotated[PageQuery, Query()], service: ServiceDep) -> schemas.TenantList:
    """List the tenants, the oldest first."""
    page = await service.tenants.page(limit=query.limit, after=read_cursor(query.cursor, _PLACE))
    return schemas.TenantList(
        items=[schemas.Tenant.of(one) for one in page.items], next_cursor=write_cursor(page.following)
    )


@router.get("/{tenant_id}", responses=documented(404))
async def get_tenant(tenant_id: _Id, service: ServiceDep) -> schemas.Tenant:
    """Return a tenant."""
    return schemas.Tenant.of(await service.tenants.get(tenant_id))


@router.patch(
    "/{tenant_id}",
    dependencies=[Depends(require_json)],
    responses=documented(400, 404, 413, 415, 422),
)
async def change_tenant(tenant_id: _Id, change: schemas.TenantChange, service: ServiceDep) -> schemas.Tenant:
    """Change a tenant, from its next request on: what is left out stays as it is, also within `quotas`.

    Upstream credentials apply to subscriptions that are made from now on: a call that is followed goes on being
    asked for with the credentials it was registered with. A quota below what the tenant has takes nothing away.
    """
    return schemas.Tenant.of(await service.tenants.change(tenant_id, change.said()))


@router.delete("/{tenant_id}", status_code=204, responses=documented(404))
async def delete_tenant(tenant_id: _Id, service: ServiceDep) -> None:
    """Delete a tenant for good: its keys open nothing any more at once, and its subscriptions are cancelled.

    Nothing is sent for it any more. Calls that other tenants subscribed to go on for them. The answer comes
    when all subscriptions are cancelled; should it not come, ask again, or do nothing: within a minute or two the
    rest is done without being asked for. Doing it again shortly after answers 204 again, and 404 later.
    """
    await service.tenants.delete(tenant_id)
