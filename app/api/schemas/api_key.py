"""API keys."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.schemas.common import NOT_BLANK, NextCursor, Timestamp
from app.domain.timestamps import format_unix
from app.store.api_keys import ApiKey as StoredApiKey
from app.store.api_keys import NewApiKey as StoredNewApiKey

DEFAULT_NAME = "unnamed"

ApiKeyName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Field(json_schema_extra=NOT_BLANK)
]


class NewApiKey(BaseModel):
    """A wish for another key."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "CRM, 2027"}]})

    name: ApiKeyName = Field(DEFAULT_NAME, description="For people, up to 100 characters.")


class ApiKey(BaseModel):
    """An API key, without the key."""

    id: str = Field(examples=["key_1m842cp907q3yc2f95cq"])
    name: str = Field(examples=["CRM, 2027"])
    created_at: Timestamp
    last_used_at: Timestamp | None = Field(description="To the minute; null before the first use.")

    @classmethod
    def of(cls, stored: StoredApiKey) -> Self:
        return cls(
            id=stored.id,
            name=stored.name,
            created_at=format_unix(stored.created_at),
            last_used_at=None if stored.last_used_at is None else format_unix(stored.last_used_at),
        )


class CreatedApiKey(ApiKey):
    """A new API key, which is shown this once."""

    api_key: str = Field(repr=False, description="The bearer key of requests.", examples=["rbk_…"])

    @classmethod
    def made(cls, new: StoredNewApiKey) -> Self:
        return cls(**ApiKey.of(new.key).model_dump(), api_key=new.text)


class ApiKeyList(BaseModel):
    """Some API keys, the oldest first."""

    items: list[ApiKey]
    next_cursor: NextCursor
