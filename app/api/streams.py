"""Routes of streams."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.deps import ServiceDep, asking_tenant, tenant_of
from app.api.event_stream import MEDIA_TYPE, EventStreamResponse
from app.api.problems import documented
from app.api.schemas.common import EXAMPLE_SID, EventName
from app.domain.subscription import MAX_EVENTS, event_filter
from app.service.calls import WantedCall
from app.service.errors import named
from app.service.live.streams import Reader
from app.store.api_keys import KeyName

router = APIRouter(
    prefix="/v1",
    tags=["calls"],
    dependencies=[Depends(tenant_of)],
    responses=documented(401, 503),
)

_Sid = Annotated[str, Path(description="The call's SID.", examples=[EXAMPLE_SID])]
_LastEventId = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that was read: the stream goes on behind it.",
        examples=["evt_3dm4c5zpyrv4wgs6mvwcj5q2fe"],
    ),
]
_DESCRIPTION = """Server-Sent Events. `id` and `event` are the event's id and type, as in webhooks; `data` is the JSON \
document that `GET /v1/calls/{call_sid}/events` shows. Lines that begin with a colon come when all is quiet, every 15 \
seconds. `stream.gap` says that events may be missing before this place, and why (`unknown_event_id`, \
`journal_too_short`, `unreadable`): read the calls. `stream.end` says that the stream ends, and why (`call_ended`, \
`reader_too_slow`, `shutting_down`, `key_revoked`, `reading_failed`, `store_unavailable`): but for the first, connect \
again with the last `id`. An event may be told again after that: its id tells."""
_EXAMPLE = """retry: 3000

id: evt_3dm4c5zpyrv4wgs6mvwcj5q2fe
event: call.completed
data: {"type":"call.completed","timestamp":"2024-03-15T10:05:30Z","data":{…}}

event: stream.end
data: {"reason": "call_ended"}

"""
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": _DESCRIPTION,
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


class StreamQuery(BaseModel):
    """Which events to tell."""

    model_config = ConfigDict(extra="forbid")

    events: list[EventName] = Field(
        default_factory=list,
        max_length=MAX_EVENTS,
        description="Event types, `call.*` for all of them (the default), or `final`; the name may be repeated.",
    )

    def reader(self, request: Request) -> Reader:
        """Return who asks, and for what."""
        key = KeyName(asking_tenant(request).id, request.state.key_id)
        return Reader(key, named("events", event_filter, self.events))


class CallStreamQuery(StreamQuery):
    """Which of several calls of one SID is meant, and which of its events to tell."""

    account_id: str | None = Field(None, description="The one of this upstream account.")
    project_id: str | None = Field(None, description="The one of this upstream project.")


@router.get(
    "/calls/{call_sid}/stream",
    response_class=Response,
    responses={
        **_STREAM,
        204: {"description": "The call has ended, and there is nothing behind `Last-Event-ID`."},
        **documented(404, 422),
    },
)
async def stream_call(
    call_sid: _Sid,
    query: Annotated[CallStreamQuery, Query()],
    request: Request,
    service: ServiceDep,
    last_event_id: _LastEventId = "",
) -> Response:
    """Tell a call's events: those that it has had, and then each as it is seen, until the call has ended.

    Nothing is missing: a stream that was cut off goes on behind `Last-Event-ID`, or from the start where that is no
    event of this call. Which call is meant goes by the same rules as for `GET /v1/calls/{call_sid}`.
    """
    wanted = WantedCall(call_sid, query.account_id, query.project_id)
    stream = await service.streams.of_call(query.reader(request), wanted, last_event_id.strip())
    return EventStreamResponse(stream) if stream else Response(status_code=204)


@router.get("/stream", response_class=Response, responses={**_STREAM, **documented(422)})
async def stream_calls(
    query: Annotated[StreamQuery, Query()],
    request: Request,
    service: ServiceDep,
    last_event_id: _LastEventId = "",
) -> Response:
    """Tell the events of all calls that this tenant is subscribed to, as they are seen.

    A stream that was cut off goes on behind `Last-Event-ID`; about a thousand records of each partition are kept for
    that, and a `stream.gap` says where they do not suffice. What a call went through before it was subscribed to, or
    before the stream was begun, is not told: read `GET /v1/calls`.
    """
    return EventStreamResponse(await service.streams.of_tenant(query.reader(request), last_event_id.strip()))
