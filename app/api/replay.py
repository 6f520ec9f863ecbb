"""The route that sends a subscription's events again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.api.deps import ServiceDep, TenantDep, require_json_if_any, tenant_of
from app.api.problems import documented
from app.api.schemas import delivery as schemas
from app.api.times import read_time

router = APIRouter(tags=["subscriptions"], dependencies=[Depends(tenant_of)], responses=documented(401, 503))


@router.post(
    "/v1/subscriptions/{subscription_id}/replay",
    status_code=202,
    dependencies=[Depends(require_json_if_any)],
    responses=documented(400, 404, 409, 413, 415, 422),
)
async def replay_subscription(
    subscription_id: Annotated[
        str, Path(description="The subscription's id.", examples=["sub_0c1m842cp95qqrkphhnzx3"])
    ],
    service: ServiceDep,
    tenant: TenantDep,
    which: schemas.Replay | None = None,
) -> schemas.Replayed:
    """Send a subscription's events again, in order, also those that were delivered, failed or are being retried.

    Each keeps its `webhook-id` and its body, and has the whole schedule before it. `queued` counts the events that
    the call has had by now and that the subscription wants, from the first one on that Ringback saw at `since` or
    later. While the subscription is paused they wait until it is resumed. One that was deleted or disabled cannot be
    replayed: 409.
    """
    since = read_time("since", which.since if which else None)
    return schemas.Replayed(queued=await service.deliveries.replay(tenant, subscription_id, since))
