"""Routes of deliveries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from app.api.deps import ServiceDep, TenantDep, require_json_if_any, tenant_of
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented
from app.api.schemas import delivery as schemas
from app.api.schemas.common import CallSid
from app.api.times import read_time
from app.domain.delivery import DeliveryStatus
from app.domain.timestamps import format_unix
from app.store.delivery_pages import PLACE, DeliveryFilter

router = APIRouter(
    prefix="/v1/deliveries",
    tags=["deliveries"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)

_Id = Annotated[str, Path(description="The delivery's id.", examples=["dlv_0c1m842cp95qqrkphhnzx30005"])]


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    subscription_id: str | None = Field(
        None,
        description="Those of this subscription only.",
        json_schema_extra={"pattern": "^sub_[0-9a-hjkmnp-tv-z]{22}$"},
    )
    call_sid: CallSid | None = Field(None, description="Those of this call only.")
    status: DeliveryStatus | None = Field(None, description="Those of this status only.")


@router.get("", responses=documented(422))
async def list_deliveries(
    query: Annotated[DeliveryQuery, Query()],
    service: ServiceDep,
    tenant: TenantDep,
) -> schemas.DeliveryList:
    """List the deliveries: those of the newest subscription first, and of each the last event first.

    With `status=failed` and no other filter, those given up last come first. What is added meanwhile comes before the
    first page. With a filter a page may hold fewer items than `limit`, even none, and not be the last.
    """
    only = DeliveryFilter(query.subscription_id, query.call_sid, query.status)
    page = await service.deliveries.page(tenant, only, limit=query.limit, place=read_cursor(query.cursor, PLACE))
    return schemas.DeliveryList(
        items=[schemas.Delivery.of(one) for one in page.items],
        next_cursor=write_cursor(page.following),
    )


@router.post(
    "/retry",
    status_code=202,
    dependencies=[Depends(require_json_if_any)],
    responses=documented(400, 413, 415, 422),
)
async def retry_failed_deliveries(
    service: ServiceDep,
    tenant: TenantDep,
    which: schemas.FailedDeliveries | None = None,
) -> schemas.Requeued:
    """Try again everything that was last attempted in a range of time and given up, with the whole schedule before it.

    The failed deliveries of a subscription go out in order if no event behind them has arrived; else each
    goes on its own, and they are begun in order, a second apart. A request takes 10,000 of them, the
    oldest first; `next_since` says where to go on if there are more. Those of subscriptions that were deleted or
    disabled stay failed and are not counted.
    """
    wanted = which or schemas.FailedDeliveries(since=None, until=None)
    retried = await service.deliveries.retry_failed(
        tenant, read_time("since", wanted.since), read_time("until", wanted.until)
    )
    return schemas.Requeued(
        queued=retried.queued,
        next_since=format_unix(retried.next_since) if retried.next_since is not None else None,
    )


@router.get("/{delivery_id}", responses=documented(404))
async def get_delivery(delivery_id: _Id, service: ServiceDep, tenant: TenantDep) -> schemas.DeliveryWithAttempts:
    """Return a delivery with its attempts, and what the last of them sent."""
    found = await service.deliveries.get(tenant, delivery_id)
    return schemas.DeliveryWithAttempts.with_request(found, await service.sent_requests.last_of(tenant, found))


@router.post("/{delivery_id}/retry", status_code=202, responses=documented(404, 409))
async def retry_delivery(delivery_id: _Id, service: ServiceDep, tenant: TenantDep) -> schemas.Delivery:
    """Try a delivery again now, with the whole schedule before it, and return it as it then stands.

    One that was delivered is sent once more; the receiver knows it by its `webhook-id`. It does not wait for the
    events around it: to send events again in order, replay the subscription. One that is being tried just now is
    left to that. One that waits for an event before it waits on, and that one is tried now. While the subscription
    is paused it waits until that is resumed. Of a subscription that was deleted or disabled nothing can be sent: 409.
    """
    return schemas.Delivery.of(await service.deliveries.retry(tenant, delivery_id))
