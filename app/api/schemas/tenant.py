"""Tenants."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.schemas.common import NextCursor, Timestamp
from app.domain.timestamps import format_unix
from app.store.tenants import NewTenant as StoredNewTenant
from app.store.tenants import Tenant as StoredTenant

TenantName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class NewTenant(BaseModel):
    """A CRM system, or another caller, with its upstream credentials."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: TenantName = Field(description="For people, up to 100 characters.", examples=["CRM, production"])
    account_id: str = Field(description="The upstream account of its calls, unless a subscription names another.")
    project_id: str = Field(description="The upstream project, likewise.")
    connector_id: str = Field(
        repr=False,
        description="The upstream connector, likewise. A credential: it is kept encrypted and never shown.",
    )


class Tenant(BaseModel):
    """A tenant."""

    id: str = Field(examples=["ten_1m842cp907q3yc2f95cq"])
    name: str = Field(examples=["CRM, production"])
    account_id: str
    project_id: str
    created_at: Timestamp

    @classmethod
    def of(cls, stored: StoredTenant) -> Self:
        return cls(
            id=stored.id,
            name=stored.name,
            account_id=stored.account_id,
            project_id=stored.project_id,
            created_at=format_unix(stored.created_at),
        )


class CreatedTenant(BaseModel):
    """A new tenant's secrets, which are shown this once."""

    id: str = Field(examples=["ten_1m842cp907q3yc2f95cq"])
    name: str = Field(examples=["CRM, production"])
    api_key: str = Field(description="The bearer key of its requests.", examples=["rbk_…"])
    signing_secret: str = Field(description="What its deliveries are verified with.", examples=["whsec_…"])

    @classmethod
    def of(cls, new: StoredNewTenant) -> Self:
        return cls(
            id=new.tenant.id,
            name=new.tenant.name,
            api_key=new.api_key,
            signing_secret=new.tenant.signing_secrets[0],
        )


class TenantList(BaseModel):
    """Some tenants, the oldest first."""

    items: list[Tenant]
    next_cursor: NextCursor
