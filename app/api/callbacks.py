"""Routes of callback URLs."""

from fastapi import APIRouter, Depends

from app.api.deps import ServiceDep, TenantDep, require_json, tenant_of
from app.api.problems import documented
from app.api.schemas import callback as schemas

router = APIRouter(
    prefix="/v1/callbacks",
    tags=["callbacks"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


@router.post(
    "/test",
    dependencies=[Depends(require_json)],
    responses=documented(400, 413, 415, 422, 429),
)
async def test_callback(
    wanted: schemas.CallbackTest, service: ServiceDep, tenant: TenantDep
) -> schemas.CallbackTestResult:
    """Send a signed `ping` to a URL at once, and tell what came of it.

    The ping is `{"type": "ping", "timestamp": …, "data": {"event_id": "evt_…"}}`, signed with the tenant's secrets as
    deliveries are. It is sent once, goes the way that deliveries go, and is given as much time. Nothing is kept of
    it. The URL obeys the same rules as a subscription's; where it leads to an address that callbacks may not go
    to, the error is `address_not_allowed`. A few tests may be under way at once; more are answered with 429.
    """
    return schemas.CallbackTestResult.of(await service.callbacks.test(tenant, wanted.callback_url))
