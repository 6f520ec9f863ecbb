"""Routes for whoever runs the service."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app.api.deps import Backend, backend_of
from app.api.problems import documented

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process answers."""
    return Health()


@router.get("/readyz", responses=documented(503))
async def readyz(backend: Annotated[Backend, Depends(backend_of)]) -> Health:
    """Tell whether requests can be served: whether Redis answers, and within a second."""
    await backend.readiness.probe()
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics() -> Response:
    """Return this process's metrics in Prometheus' format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
