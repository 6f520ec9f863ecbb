"""The route that registers many subscriptions at once."""

import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json

from app.api import idempotency
from app.api.deps import asking_tenant, require_json, service_of, tenant_of
from app.api.problems import answer, documented
from app.api.schemas import subscription as schemas
from app.api.schemas.subscription import wanted_subscription
from app.api.tracing import trace_of
from app.service.registrations import Registered
from app.service.turns import taking_turns

PATH = "/v1/subscriptions/batch"

router = APIRouter(
    tags=["subscriptions"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


@router.post(
    PATH,
    dependencies=[Depends(require_json)],
    response_model=schemas.BatchResult,
    responses=documented(400, 409, 413, 415, 422, 429),
    openapi_extra=idempotency.DOCUMENTED,
)
async def subscribe_many(request: Request, wanted: schemas.NewSubscriptions) -> Response:
    """Do what `POST /v1/subscriptions` does for up to 1,000 items, and tell of each what that would have answered.

    The body may have 2 MiB, which 1,000 items of up to 2,000 bytes fit into. Of items of the same call and URL the
    first is new, and the others find it. An item that is refused, because it is invalid (422) or because the tenant
    has as many subscriptions as it may (429), keeps no other back. Should Ringback lose its store in between (503),
    some items may be registered: sending the same again finds them.
    """

    async def register() -> Response:
        service = await service_of(request)
        items = [_read(one) async for one in taking_turns(wanted.items)]
        valid = [wanted_subscription(one) for one in items if isinstance(one, schemas.NewSubscription)]
        results = iter(await service.registrations.register_all(asking_tenant(request), valid, trace_of(request)))
        outcomes = [one if isinstance(one, Exception) else next(results) for one in items]
        return Response(
            to_json({"items": [await _item(request, one) async for one in taking_turns(outcomes)]}),
            200,
            None,
            "application/json",
        )

    once = await idempotency.once_of(request)
    return await once.do(register)


def _read(item: Any) -> schemas.NewSubscription | RequestValidationError:
    try:
        return schemas.NewSubscription.model_validate(item)
    except ValidationError as error:
        return RequestValidationError([{**one, "loc": ("item", *one["loc"])} for one in error.errors()])


async def _item(request: Request, outcome: Registered | Exception) -> dict[str, Any]:
    if isinstance(outcome, Registered):
        shown = schemas.Subscription.of(outcome.subscription)
        return {"status": 201 if outcome.created else 200, "subscription": shown}
    refusal = await answer(request, outcome)
    return {"status": refusal.status_code, "error": json.loads(bytes(refusal.body))}
