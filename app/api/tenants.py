"""Routes of the operator: tenants."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import ServiceDep, require_admin, require_json
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented, located
from app.api.schemas import tenant as schemas

router = APIRouter(
    prefix="/v1/admin/tenants",
    tags=["admin"],
    dependencies=[Depends(require_admin)],
    responses=documented(401, 503),
)

_PLACE = re.compile(r"ten_[0-9a-z]{20}")


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(require_json)],
    responses={**located("The new tenant. Both secrets are shown this once."), **documented(400, 413, 415, 422)},
)
async def create_tenant(wanted: schemas.NewTenant, response: Response, service: ServiceDep) -> schemas.CreatedTenant:
    """Create a tenant with a first API key and a signing secret."""
    new = await service.tenants.create(wanted.name, wanted.account_id, wanted.project_id, wanted.connector_id)
    response.headers["Location"] = f"{router.prefix}/{new.tenant.id}"
    response.headers["Cache-Control"] = "no-store"
    return schemas.CreatedTenant.of(new)


@router.get("", responses=documented(422))
async def list_tenants(query: Annotated[PageQuery, Query()], service: ServiceDep) -> schemas.TenantList:
    """List the tenants, the oldest first."""
    # One more than is shown tells whether anything follows.
    found = await service.tenants.page(limit=query.limit + 1, after=read_cursor(query.cursor, _PLACE))
    shown = found[: query.limit]
    return schemas.TenantList(
        items=[schemas.Tenant.of(one) for one in shown],
        next_cursor=write_cursor(shown[-1].id if len(found) > len(shown) else ""),
    )


@router.get("/{tenant_id}", responses=documented(404))
async def get_tenant(
    tenant_id: Annotated[str, Path(examples=["ten_1m842cp907q3yc2f95cq"])],
    service: ServiceDep,
) -> schemas.Tenant:
    """Return a tenant."""
    return schemas.Tenant.of(await service.tenants.get(tenant_id))
