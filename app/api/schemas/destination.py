"""Destinations in trouble."""

from typing import Any, Self

from pydantic import BaseModel, Field

from app.api.schemas.common import NextCursor, Timestamp
from app.api.schemas.tenant import TenantId
from app.domain.breaker import BreakerState
from app.domain.timestamps import format_unix
from app.service.destinations import TroubleOfAll
from app.store.troubled import TroubledDestination as StoredDestination


class TroubledDestination(BaseModel):
    """A receiver's scheme, host and port, where deliveries fail."""

    destination: str = Field(
        description="Where callbacks go: scheme, host and port.", examples=["https://crm.example.com:443"]
    )
    state: BreakerState = Field(
        description="`failing`: it has failed, and is tried still. `open`: it has failed several times in a row, and "
        "nothing is attempted before `open_until`. `probing`: that time is over; one delivery is tried, and what "
        "becomes of it decides whether the others follow."
    )
    failures: int = Field(description="Failed attempts in a row.", examples=[7])
    failing_since: Timestamp = Field(description="When the first of them failed.")
    last_error: str = Field(
        description="What the last one failed with: a status such as `503`, or why there was no answer, such as "
        "`timeout` or `tls`.",
        examples=["503"],
    )
    open_until: Timestamp | None = Field(description="When it may be tried again; null unless it is `open`.")

    @classmethod
    def of(cls, stored: StoredDestination) -> Self:
        return cls(**_fields(stored))


class TroubledDestinationOfTenant(TroubledDestination):
    """A receiver's scheme, host and port, where deliveries of a tenant fail."""

    tenant_id: TenantId
    tenant_name: str | None = Field(
        description="Null when the tenant has been deleted since.", examples=["CRM, production"]
    )

    @classmethod
    def named(cls, stored: StoredDestination, tenant_name: str | None) -> Self:
        return cls(**_fields(stored), tenant_id=stored.tenant_id, tenant_name=tenant_name)


def _fields(stored: StoredDestination) -> dict[str, Any]:
    return {
        "destination": stored.destination,
        "state": stored.state,
        "failures": stored.failures,
        "failing_since": format_unix(stored.failing_since),
        "last_error": stored.last_error,
        "open_until": None if stored.open_until is None else format_unix(stored.open_until),
    }


class TroubledDestinationList(BaseModel):
    """Some destinations in trouble, those that failed last first."""

    items: list[TroubledDestination]
    next_cursor: NextCursor


class TroubledDestinationOfTenantList(BaseModel):
    """Some destinations in trouble, of any tenant, those that failed last first."""

    items: list[TroubledDestinationOfTenant]
    next_cursor: NextCursor


def items_of_all(found: TroubleOfAll) -> list[TroubledDestinationOfTenant]:
    """Return the destinations of a page with the names of their tenants."""
    return [TroubledDestinationOfTenant.named(one, found.tenant_names.get(one.tenant_id)) for one in found.page.items]
