"""Routes of subscriptions."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from app.api import idempotency
from app.api.deps import ServiceDep, TenantDep, asking_tenant, require_json, service_of, tenant_of
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented, located
from app.api.schemas import subscription as schemas
from app.api.schemas.common import CallSid
from app.api.schemas.subscription import wanted_subscription
from app.api.tracing import trace_of
from app.domain.subscription import SubscriptionStatus
from app.service.subscriptions import WantedChange

router = APIRouter(
    prefix="/v1/subscriptions",
    tags=["subscriptions"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)

_PLACE = re.compile(r"[0-9a-z]{20}")
_Id = Annotated[str, Path(description="The subscription's id.", examples=["sub_0c1m842cp95qqrkphhnzx3"])]


class SubscriptionQuery(PageQuery):
    """Which subscriptions to list."""

    call_sid: CallSid | None = Field(None, description="Those of this call only.")
    status: SubscriptionStatus | None = Field(None, description="Those of this status only.")


@router.post(
    "",
    status_code=201,
    response_model=schemas.Subscription,
    dependencies=[Depends(require_json)],
    responses={
        **located("The new subscription."),
        200: {
            "model": schemas.Subscription,
            "description": "This call and URL are subscribed to already: the subscription that is there, unchanged.",
        },
        **documented(400, 409, 413, 415, 422, 429),
    },
    openapi_extra=idempotency.DOCUMENTED,
)
async def subscribe(request: Request, wanted: schemas.NewSubscription) -> Response:
    """Have a call's events sent to a URL, from the call's first event on.

    The same call and URL again answers 200 with the subscription that is there; what else is asked for then is
    not looked at. A subscription that was deleted or disabled is not there any more: a new one is made. A call
    that has ended and is still kept sends the events it had.
    """

    async def register() -> Response:
        service = await service_of(request)
        tenant, trace = asking_tenant(request), trace_of(request)
        registered = await service.registrations.register(tenant, wanted_subscription(wanted), trace)
        shown = schemas.Subscription.of(registered.subscription)
        headers = {"Location": f"{router.prefix}/{shown.id}"} if registered.created else None
        return Response(shown.model_dump_json(), 201 if registered.created else 200, headers, "application/json")

    once = await idempotency.once_of(request)
    return await once.do(register)


@router.get("", responses=documented(422))
async def list_subscriptions(
    query: Annotated[SubscriptionQuery, Query()],
    service: ServiceDep,
    tenant: TenantDep,
) -> schemas.SubscriptionList:
    """List the subscriptions, the newest first. What is added meanwhile comes before the first page."""
    page = await service.subscriptions.page(
        tenant,
        limit=query.limit,
        before=read_cursor(query.cursor, _PLACE),
        call_sid=query.call_sid,
        status=query.status,
    )
    return schemas.SubscriptionList(
        items=[schemas.Subscription.of(one) for one in page.items],
        next_cursor=write_cursor(page.following),
    )


@router.get("/{subscription_id}", responses=documented(404))
async def get_subscription(subscription_id: _Id, service: ServiceDep, tenant: TenantDep) -> schemas.Subscription:
    """Return a subscription."""
    return schemas.Subscription.of(await service.subscriptions.get(tenant, subscription_id))


@router.patch(
    "/{subscription_id}",
    dependencies=[Depends(require_json)],
    responses=documented(400, 404, 409, 413, 415, 422),
)
async def change_subscription(
    subscription_id: _Id,
    change: schemas.SubscriptionChange,
    service: ServiceDep,
    tenant: TenantDep,
) -> schemas.Subscription:
    """Change a subscription: what is left out stays as it is, and `{}` changes nothing.

    `callback_url` and `events` apply to what has not been delivered yet. A delivery that is under way is not
    disturbed; one that waits for its next attempt is tried at a new URL within two seconds. `metadata` applies to the
    events that are yet to come, since the body of a delivery is the same at every attempt. With `paused` true
    nothing is sent any more; what happens meanwhile is kept for as long as the call is, and sent in order when
    `paused` is false again, beginning at once.

    One that was deleted or disabled cannot be changed any more: 409. The same goes for a URL to which
    another subscription of yours sends this call's events.
    """
    changed = await service.subscriptions.change(tenant, subscription_id, WantedChange(**change.said()))
    return schemas.Subscription.of(changed)


@router.delete("/{subscription_id}", status_code=204, responses=documented(404))
async def delete_subscription(subscription_id: _Id, service: ServiceDep, tenant: TenantDep) -> None:
    """Cancel a subscription: nothing is sent any more, also nothing that is waiting.

    It can still be read, with the status `cancelled`, for as long as its call is kept. Doing it again changes
    nothing and answers 204 again. A call that nobody is subscribed to is not
    polled any more, but for a poll that is about to be sent, which may follow within two seconds.
    """
    await service.subscriptions.cancel(tenant, subscription_id)
