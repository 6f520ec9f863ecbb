"""The mirror: the upstream's own status endpoint, for clients that were written for it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.deps import Backend, backend_of
from app.api.schemas.common import EXAMPLE_SID, Timestamp
from app.domain.call import CallKey
from app.domain.dialect import CONNECTOR_HEADER, STATUS_PATH, UPSTREAM_FAILED
from app.store.connection import StoreUnavailable, WrongPartitions

router = APIRouter(tags=["mirror"])

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next request.", "schema": {"type": "integer"}}
}


class UpstreamCallStatus(BaseModel):
    """A call's status as the upstream writes it."""

    call_sid: str = Field(examples=[EXAMPLE_SID])
    account_id: str = Field(examples=["your-account-id"])
    project_id: str = Field(examples=["your-project-id"])
    client_env: str = Field(examples=["production"])
    connector_id: str = Field(description="The connector of the request.", examples=["your-connector-id"])
    created_at: Timestamp
    status: str = Field(examples=["completed"])
    last_updated: Timestamp
    event_history: list[dict[str, Timestamp | None]] = Field(
        description="Each status with its time.",
        examples=[[{"CREATED": "2024-03-15T10:00:00Z"}, {"completed": "2024-03-15T10:05:30Z"}]],
    )


class UpstreamError(BaseModel):
    """An error as the upstream writes it."""

    error: str = Field(examples=["Call SID not found."])


def _described() -> dict[int | str, dict[str, Any]]:
    meanings = {
        400: "Not a call SID.",
        401: "The connector is missing, or not known for this account and project.",
        404: "No call of that SID is followed with this connector, or it is not kept any more.",
        500: "The status cannot be told at this moment: retry with exponential backoff.",
        503: "With read-through: the upstream, or this service on its behalf, has too much to do.",
    }
    described: dict[int | str, dict[str, Any]] = {
        code: {"model": UpstreamError, "description": meaning} for code, meaning in meanings.items()
    }
    described[503]["headers"] = _RETRY_AFTER
    return {200: {"model": UpstreamCallStatus, "description": "The call's status."}, **described}


@router.get(STATUS_PATH, response_class=Response, responses=_described())
async def mirror_call_status(
    account_id: Annotated[str, Path(examples=["your-account-id"])],
    project_id: Annotated[str, Path(examples=["your-project-id"])],
    call_sid: Annotated[str, Path(examples=[EXAMPLE_SID])],
    backend: Annotated[Backend, Depends(backend_of)],
    connector_id: Annotated[
        str | None,
        Header(
            alias=CONNECTOR_HEADER, description="The connector that the call is followed with: the credential here."
        ),
    ] = None,
) -> Response:
    """Answer as the upstream's status endpoint does, from what is kept: also after the upstream's two hours.

    Point a client at this address that was written for the upstream. Errors have the upstream's shape here. A call
    that is followed but not polled yet is waited for, three seconds at most. One that can no longer be followed shows
    its last status. A call that nobody follows is unknown, unless the operator has set
    `RINGBACK_MIRROR_READ_THROUGH`: then the upstream is asked, at most once a second for each call.
    """
    try:
        await backend.readiness.ensure()
        key = CallKey(account_id, project_id, connector_id or "", call_sid)
        answer = await backend.resources.service.mirror.status(key)
    except (StoreUnavailable, WrongPartitions):
        answer = UPSTREAM_FAILED
    headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else None
    return Response(answer.body, answer.status_code, headers, media_type="application/json")
