"""Routes of calls."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ServiceDep, TenantDep, tenant_of
from app.api.paging import PageQuery, read_cursor, write_cursor
from app.api.problems import documented
from app.api.schemas import call as schemas
from app.api.schemas.common import EXAMPLE_SID
from app.domain.subscription import MAX_NAME_LENGTH
from app.service.calls import WantedCall
from app.store.call_pages import CallFilter

router = APIRouter(
    prefix="/v1/calls",
    tags=["calls"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)

_PLACE = re.compile(r"[0-9a-z]{20}")
_SEQUENCE = re.compile(r"[0-9]{1,9}")
_Sid = Annotated[str, Path(description="The call's SID.", examples=[EXAMPLE_SID])]


class CallListQuery(PageQuery):
    """Which calls to list."""

    status: str | None = Field(
        None,
        max_length=MAX_NAME_LENGTH,
        description="Those of this status only, in any of its spellings.",
        examples=["in-progress"],
    )
    ended: bool | None = Field(None, description="True: those only whose final event is known. False: the others.")


class CallQuery(BaseModel):
    """Which of several calls of one SID is meant."""

    model_config = ConfigDict(extra="forbid")

    account_id: str | None = Field(None, description="The one of this upstream account.")
    project_id: str | None = Field(None, description="The one of this upstream project.")

    def wanted(self, call_sid: str) -> WantedCall:
        return WantedCall(call_sid, self.account_id, self.project_id)


class CallEventQuery(CallQuery, PageQuery):
    """Which of a call's events to list."""


@router.get("", responses=documented(422))
async def list_calls(
    query: Annotated[CallListQuery, Query()], service: ServiceDep, tenant: TenantDep
) -> schemas.CallList:
    """List the calls that this tenant has subscribed to, those first that it subscribed to last.

    A call keeps the place of its first subscription, however many follow; what is added meanwhile comes before the
    first page. A page may hold fewer items than `limit`, even none, and not be the last.
    """
    page = await service.calls.page(
        tenant,
        CallFilter(query.status, query.ended),
        limit=query.limit,
        before=read_cursor(query.cursor, _PLACE),
    )
    return schemas.CallList(
        items=[schemas.Call.of(one) for one in page.items],
        next_cursor=write_cursor(page.following),
    )


@router.get("/{call_sid}", responses=documented(404, 422))
async def get_call(
    call_sid: _Sid, query: Annotated[CallQuery, Query()], service: ServiceDep, tenant: TenantDep
) -> schemas.Call:
    """Return what is kept of a call that this tenant has subscribed to, also after its subscriptions have ended.

    Should the tenant have subscribed to several calls of one SID, in different accounts or projects or with
    different connectors, the one subscribed to last is returned; `account_id` and `project_id` narrow it down.
    """
    return schemas.Call.of(await service.calls.get(tenant, query.wanted(call_sid)))


@router.get("/{call_sid}/events", response_model_exclude_unset=True, responses=documented(404, 422))
async def list_call_events(
    call_sid: _Sid, query: Annotated[CallEventQuery, Query()], service: ServiceDep, tenant: TenantDep
) -> schemas.CallEventList:
    """List a call's events in order: all of them, whatever events this tenant's subscriptions ask for.

    Each is the body of its deliveries, without `subscription_id` and `metadata`. The last page's `next_cursor` is
    null although the call may go on: ask again with the cursor before, or from the start. Which call is meant goes by
    the same rules as for `GET /v1/calls/{call_sid}`.
    """
    behind = read_cursor(query.cursor, _SEQUENCE)
    page = await service.calls.events(tenant, query.wanted(call_sid), behind=int(behind or 0), limit=query.limit)
    last = page.first + len(page.events) - 1
    return schemas.CallEventList(
        items=schemas.events_of(page.call, page.events, page.first),
        next_cursor=write_cursor(str(last)) if page.more else None,
    )
