"""Tenants."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.api.schemas.common import NOT_BLANK, NextCursor, Timestamp, UpstreamName, whole
from app.domain import tenant as domain
from app.domain.timestamps import format_unix
from app.store.tenants import NewTenant as StoredNewTenant
from app.store.tenants import Tenant as StoredTenant
from app.store.tenants import TenantChange as StoredChange

_NAME = "For people, up to 100 characters."
_ACCOUNT = "The upstream account of its calls, unless a subscription names another."
_PROJECT = "The upstream project, likewise."
_CONNECTOR = "The upstream connector, likewise. A credential: it is kept encrypted and never shown."
_QUOTAS = "What the tenant may have at most. What is over a bound is answered with 429."
_MAX_SUBSCRIPTIONS = 1_000_000_000
_MAX_REQUESTS = 100_000

TenantId = Annotated[str, Field(examples=["ten_1m842cp907q3yc2f95cq"])]
TenantName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Field(examples=["CRM, production"], json_schema_extra=NOT_BLANK),
]
_SubscriptionBound = Annotated[int, Field(ge=1, le=_MAX_SUBSCRIPTIONS), BeforeValidator(whole)]
_RequestBound = Annotated[int, Field(ge=1, le=_MAX_REQUESTS), BeforeValidator(whole)]


class QuotaChange(BaseModel):
    """Bounds of a tenant. One that is left out stays as it is; null is no bound."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"max_active_subscriptions": 50_000, "requests_per_second": 100}]},
    )

    max_active_subscriptions: _SubscriptionBound | None = Field(
        None,
        description="Subscriptions that are alive at once: neither ended nor of a call that has. One API process keeps "
        "the bound exactly; several may each let through what is registered at them within a second.",
    )
    max_subscriptions_per_call: _SubscriptionBound | None = Field(None, description="Those of one call.")
    requests_per_second: _RequestBound | None = Field(
        None, description="Requests on average; as many may come at once after a second without any."
    )

    def said(self) -> dict[str, int | None]:
        """Return the bounds that were given, by their names in the domain."""
        return {name.removeprefix("max_"): bound for name, bound in self.model_dump(exclude_unset=True).items()}


class NewTenant(BaseModel):
    """A CRM system, or another caller, with its upstream credentials."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "CRM, production",
                    "account_id": "your-account-id",
                    "project_id": "your-project-id",
                    "connector_id": "your-connector-id",
                    "quotas": {"max_active_subscriptions": 50_000, "requests_per_second": 100},
                }
            ]
        },
    )

    name: TenantName = Field(description=_NAME)
    account_id: UpstreamName = Field(description=_ACCOUNT)
    project_id: UpstreamName = Field(description=_PROJECT)
    connector_id: UpstreamName = Field(repr=False, description=_CONNECTOR)
    quotas: QuotaChange = Field(default_factory=QuotaChange, description=f"{_QUOTAS} None is the default.")


class TenantChange(BaseModel):
    """What to change of a tenant; a field that is left out stays as it is, and none can be null."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"name": "CRM, test"}, {"quotas": {"requests_per_second": 50}}]},
    )

    # Fields that may be left out and not be null; what the factories make is never looked at.
    name: TenantName = Field(default_factory=str, description=_NAME)
    account_id: UpstreamName = Field(default_factory=str, description=f"{_ACCOUNT} For subscriptions yet to be made.")
    project_id: UpstreamName = Field(default_factory=str, description=_PROJECT)
    connector_id: UpstreamName = Field(default_factory=str, repr=False, description=_CONNECTOR)
    quotas: QuotaChange = Field(default_factory=QuotaChange, description=_QUOTAS)

    def said(self) -> StoredChange:
        """Return what was given."""
        given: dict[str, Any] = self.model_dump(exclude_unset=True, exclude={"quotas"})
        return StoredChange(**given, quotas=self.quotas.said())


class Quotas(BaseModel):
    """Bounds of a tenant; null is none."""

    max_active_subscriptions: int | None = Field(description="Subscriptions that are alive at once.")
    max_subscriptions_per_call: int | None = Field(description="Those of one call.")
    requests_per_second: int | None = Field(description="Requests on average.")

    @classmethod
    def of(cls, quotas: domain.Quotas) -> Self:
        return cls(
            max_active_subscriptions=quotas.active_subscriptions,
            max_subscriptions_per_call=quotas.subscriptions_per_call,
            requests_per_second=quotas.requests_per_second,
        )


class Tenant(BaseModel):
    """A tenant."""

    id: TenantId
    name: str = Field(examples=["CRM, production"])
    account_id: str
    project_id: str
    quotas: Quotas
    created_at: Timestamp

    @classmethod
    def of(cls, stored: StoredTenant) -> Self:
        return cls(
            id=stored.id,
            name=stored.name,
            account_id=stored.account_id,
            project_id=stored.project_id,
            quotas=Quotas.of(stored.quotas),
            created_at=format_unix(stored.created_at),
        )


class CreatedTenant(BaseModel):
    """A new tenant's secrets, which are shown this once."""

    id: TenantId
    name: str = Field(examples=["CRM, production"])
    api_key: str = Field(description="The bearer key of its requests.", examples=["rbk_…"])
    signing_secret: str = Field(description="What its deliveries are verified with.", examples=["whsec_…"])

    @classmethod
    def of(cls, new: StoredNewTenant) -> Self:
        return cls(
            id=new.tenant.id,
            name=new.tenant.name,
            api_key=new.api_key,
            signing_secret=new.tenant.signing_secrets[0].secret,
        )


class TenantList(BaseModel):
    """Some tenants, the oldest first."""

    items: list[Tenant]
    next_cursor: NextCursor
