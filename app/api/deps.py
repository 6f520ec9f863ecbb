"""What routes are handed: the service, and whose request it is."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.problems import Unauthorized, UnsupportedBody
from app.api.readiness import Readiness
from app.resources import Resources
from app.service import Service
from app.store.tenants import Tenant

_tenant_key = HTTPBearer(
    scheme_name="TenantKey",
    description="An API key of the tenant, as shown once when it was made.",
    auto_error=False,
)
_admin_key = HTTPBearer(
    scheme_name="AdminKey",
    description="The installation's admin key (`RINGBACK_ADMIN_KEY`).",
    auto_error=False,
)
_UNAUTHORIZED = "A valid key is needed, as in `Authorization: Bearer <key>`."


@dataclass(frozen=True, slots=True)
class Backend:
    """What the process works with, as the application's state holds it."""

    resources: Resources
    readiness: Readiness


async def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def service_of(backend: Annotated[Backend, Depends(backend_of)]) -> Service:
    await backend.readiness.ensure()
    return backend.resources.service


async def tenant_of(
    service: Annotated[Service, Depends(service_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_tenant_key)],
) -> Tenant:
    tenant = await service.tenants.authenticate(credentials.credentials) if credentials else None
    if tenant is None:
        raise Unauthorized(_UNAUTHORIZED)
    return tenant


async def require_admin(
    backend: Annotated[Backend, Depends(backend_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_admin_key)],
) -> None:
    expected = backend.resources.settings.admin_key.get_secret_value().encode()
    offered = credentials.credentials.encode() if credentials else b""
    if not expected or not hmac.compare_digest(offered, expected):
        raise Unauthorized(_UNAUTHORIZED)


async def require_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON: FastAPI would take it for a text."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedBody("The body must be JSON, and say so: Content-Type: application/json.")


async def require_json_if_any(request: Request) -> None:
    """Do the same where the body may be left out."""
    if await request.body():
        await require_json(request)


ServiceDep = Annotated[Service, Depends(service_of)]
TenantDep = Annotated[Tenant, Depends(tenant_of)]
