"""Signing secrets."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas.common import Timestamp
from app.domain import signing_secrets as domain
from app.domain.timestamps import format_unix
from app.service.signing_secrets import Rotated

SecretId = Annotated[str, Field(examples=["sec_1m842cp907q3yc2f95cq"])]


class Rotation(BaseModel):
    """A wish for a new signing secret."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"overlap_seconds": domain.DEFAULT_OVERLAP_SECONDS}]},
    )

    overlap_seconds: float = Field(
        domain.DEFAULT_OVERLAP_SECONDS,
        ge=0,
        le=domain.MAX_OVERLAP_SECONDS,
        allow_inf_nan=False,
        description="How long the secrets that sign now go on beside the new one, up to 30 days. With 0 they stop "
        "at once: for a secret that has become known.",
    )


class SigningSecret(BaseModel):
    """A signing secret, without the secret."""

    id: SecretId
    hint: str = Field(description="The end of the secret, without its padding: enough to tell it.", examples=["LaSw"])
    created_at: Timestamp
    expires_at: Timestamp | None = Field(
        description="When it stops signing; null for the newest, which signs until it is replaced.",
    )

    @classmethod
    def of(cls, stored: domain.SigningSecret) -> Self:
        return cls(
            id=stored.id,
            hint=stored.hint,
            created_at=format_unix(stored.created_at),
            expires_at=None if stored.expires_at is None else format_unix(stored.expires_at),
        )


class SigningSecretList(BaseModel):
    """The secrets that sign at this moment, the newest first."""

    items: list[SigningSecret]
    next_cursor: None = Field(None, description="Always null: there are never more than fit on a page.")


class RotatedSecret(BaseModel):
    """The new secret, which is shown this once."""

    id: SecretId
    signing_secret: str = Field(repr=False, description="The new secret.", examples=["whsec_…"])
    created_at: Timestamp
    previous: list[SigningSecret] = Field(
        description="Those that go on signing beside it, the newest first, each until its `expires_at`.",
    )

    @classmethod
    def of(cls, rotated: Rotated) -> Self:
        return cls(
            id=rotated.new.id,
            signing_secret=rotated.new.secret,
            created_at=format_unix(rotated.new.created_at),
            previous=[SigningSecret.of(one) for one in rotated.previous],
        )
