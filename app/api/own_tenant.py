"""The route by which a tenant reads itself."""

from fastapi import APIRouter, Depends

from app.api.deps import TenantDep, tenant_of
from app.api.problems import documented
from app.api.schemas import tenant as schemas

router = APIRouter(
    prefix="/v1/tenant",
    tags=["tenant"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


@router.get("")
async def get_own_tenant(tenant: TenantDep) -> schemas.Tenant:
    """Return the tenant whose key this is: its upstream defaults and its quotas."""
    return schemas.Tenant.of(tenant)
