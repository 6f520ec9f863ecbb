"""What routes are handed: the service, and whose request it is."""

import hmac
import math
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.base import SecurityBase

from app.api.problems import Unauthorized, UnsupportedBody
from app.api.rate_limits import note_rate
from app.api.readiness import Readiness
from app.resources import Resources
from app.service import Service
from app.service.errors import InvalidField, TooManyRequests
from app.store.api_keys import Admitted, Throttled
from app.store.tenants import Tenant

_admin_key = HTTPBearer(
    scheme_name="AdminKey",
    description="The installation's admin key (`RINGBACK_ADMIN_KEY`).",
    auto_error=False,
)
_TOO_OFTEN = "The requests of this tenant are bounded to {} per second: try again in a moment."
_UNAUTHORIZED = "A valid key is needed, as in `Authorization: Bearer <key>`."


@dataclass(frozen=True, slots=True)
class Backend:
    """What the process works with, as the application's state holds it."""

    resources: Resources
    readiness: Readiness


async def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


async def service_of(request: Request) -> Service:
    backend = await backend_of(request)
    await backend.readiness.ensure()
    return backend.resources.service


class _TenantKey(SecurityBase):
    """Returns whose request this is, and counts it: the tenant may have asked too often by now.

    It is at once the scheme that the document shows, and needs nothing that FastAPI would have to provide: that takes
    about 20 microseconds for each dependency of a dependency.
    """

    def __init__(self) -> None:
        self._bearer = HTTPBearer(
            scheme_name="TenantKey",
            description="An API key of the tenant, as shown once when it was made.",
            auto_error=False,
        )
        self.model = self._bearer.model
        self.scheme_name = self._bearer.scheme_name

    async def __call__(self, request: Request) -> Tenant:
        service = await service_of(request)
        credentials = await self._bearer(request)
        match await service.tenants.authenticate(credentials.credentials) if credentials else None:
            case Admitted(tenant=tenant, key_id=key_id, rate=rate):
                note_rate(request.scope, rate)
                refuse_unknown_query(request)
                request.state.tenant = tenant
                request.state.key_id = key_id
                return tenant
            case Throttled(rate=rate, retry_after=wait):
                note_rate(request.scope, rate)
                raise TooManyRequests(_TOO_OFTEN.format(rate.limit), math.ceil(wait))
        raise Unauthorized(_UNAUTHORIZED)


tenant_of = _TenantKey()


def asking_tenant(request: Request) -> Tenant:
    """Return what `tenant_of` found, in a route that has it beside its path: asking FastAPI twice takes its time."""
    tenant: Tenant = request.state.tenant
    return tenant


async def require_admin(
    request: Request,
    backend: Annotated[Backend, Depends(backend_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_admin_key)],
) -> None:
    expected = backend.resources.settings.admin_key.get_secret_value().encode()
    offered = credentials.credentials.encode() if credentials else b""
    if not expected or not hmac.compare_digest(offered, expected):
        raise Unauthorized(_UNAUTHORIZED)
    refuse_unknown_query(request)


def refuse_unknown_query(request: Request) -> None:
    """Refuse a query where the route takes none; one that does refuses unknown parts itself."""
    if request.query_params and not request.scope["route"].dependant.query_params:
        name = next(iter(request.query_params))
        raise InvalidField(name, f"{name}: There is no such parameter.")


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
