"""Routes of calls."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ServiceDep, TenantDep, tenant_of
from app.api.problems import documented
from app.api.schemas import call as schemas

router = APIRouter(
    prefix="/v1/calls",
    tags=["calls"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


class CallQuery(BaseModel):
    """Which of several calls of one SID is meant."""

    model_config = ConfigDict(extra="forbid")

    account_id: str | None = Field(None, description="The one of this upstream account.")
    project_id: str | None = Field(None, description="The one of this upstream project.")


@router.get("/{call_sid}", responses=documented(404, 422))
async def get_call(
    call_sid: Annotated[str, Path(examples=["OUT-550e8400-e29b-41d4-a716-446655440000"])],
    query: Annotated[CallQuery, Query()],
    service: ServiceDep,
    tenant: TenantDep,
) -> schemas.Call:
    """Return what is kept of a call that this tenant has subscribed to, also after its subscriptions have ended.

    Should the tenant have subscribed to several calls of one SID, in different accounts or projects or with
    different connectors, the one subscribed to last is returned; `account_id` and `project_id` narrow it down.
    """
    return schemas.Call.of(await service.calls.get(tenant, call_sid, query.account_id, query.project_id))
