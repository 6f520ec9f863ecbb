"""Routes of export."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.api.deps import ServiceDep, TenantDep, tenant_of
from app.api.paging import read_cursor, write_cursor
from app.api.problems import documented
from app.api.schemas.call import ExportedCall
from app.api.times import read_time
from app.domain.timestamps import format_unix
from app.store.call_pages import PlacedCall

MEDIA_TYPE = "application/x-ndjson"
NEXT_SINCE_HEADER = "Ringback-Next-Since"
_PLACE = re.compile(r"sub_[0-9a-hjkmnp-tv-z]{22}")

router = APIRouter(
    prefix="/v1/export",
    tags=["calls"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)


class ExportQuery(BaseModel):
    """What to export."""

    model_config = ConfigDict(extra="forbid")

    since: str | None = Field(
        None,
        description="Calls whose final event was observed at this time or later; without it, all that are kept.",
        json_schema_extra={"format": "date-time"},
        examples=["2024-03-15T10:00:00Z"],
    )
    cursor: str | None = Field(None, description="The `cursor` of a line: go on behind it.")


def _described() -> dict[int | str, dict[str, Any]]:
    """Return the `responses` that say what the stream holds: a text with one JSON document a line."""
    schema = ExportedCall.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    # The documents that it is made of are described by other routes already.
    schema.pop("$defs", None)
    header = {
        "description": "What to ask for as `since` the next time, so that no call is missed.",
        "schema": {"type": "string", "format": "date-time"},
    }
    return {
        200: {
            "description": "One call a line, each a JSON document.",
            "headers": {NEXT_SINCE_HEADER: header},
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "contentSchema": schema}}},
        }
    }


@router.get("/calls", response_class=StreamingResponse, responses={**_described(), **documented(422)})
async def export_calls(
    query: Annotated[ExportQuery, Query()], service: ServiceDep, tenant: TenantDep
) -> StreamingResponse:
    """Export the calls that have ended, as newline-delimited JSON: one line a call, with its events.

    In no order of time, but always in the same; `since` goes by `final_at`. A stream that is cut off goes on
    with the `cursor` of the last line that arrived whole, and the same `since`. For an export from time to time ask
    with the `Ringback-Next-Since` of the one before as `since`: it lies a minute before that one began, so that no
    call is missed that ended just then. Calls of that minute may come twice, with the same last event.

    It looks at each subscription that is kept, some tens of thousands a second, and waits for its reader.
    """
    since, after = read_time("since", query.since), read_cursor(query.cursor, _PLACE)
    next_since = format_unix(service.exports.next_since())
    some = service.exports.calls(tenant, since=since or 0.0, after=after)
    # Looked at before the answer begins: what cannot be read at all is told of by a status.
    first: list[PlacedCall] = await anext(some, [])
    return StreamingResponse(_lines(first, some), media_type=MEDIA_TYPE, headers={NEXT_SINCE_HEADER: next_since})


async def _lines(first: list[PlacedCall], others: AsyncIterator[list[PlacedCall]]) -> AsyncIterator[str]:
    """Write some calls at a time; the next are read once these are on their way."""
    yield _written(first)
    async for some in others:
        yield _written(some)


def _written(calls: list[PlacedCall]) -> str:
    return "".join(
        ExportedCall.line(one.call, final, write_cursor(one.subscription_id) or "")
        for one in calls
        if (final := one.call.final)
    )
