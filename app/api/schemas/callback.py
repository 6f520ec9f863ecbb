"""Tests of callback URLs."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from app.api.schemas.common import EXAMPLE_URL, CallbackUrl
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer


class CallbackTest(BaseModel):
    """A wish to see whether a URL can be reached."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"callback_url": EXAMPLE_URL}]}
    )

    callback_url: CallbackUrl = Field(description="Where the ping is POSTed.")


class CallbackTestResult(BaseModel):
    """What came of it: either a status or an error."""

    status_code: int | None = Field(description="What the receiver answered; null without an answer.", examples=[200])
    error: str | None = Field(
        description="Why there is no answer: "
        + ", ".join(f"`{error}`" for error in ErrorClass)
        + ". Null where there is one, whatever its status.",
        examples=[None],
    )
    duration_ms: int = Field(description="From the lookup of the name to the end of the answer.", examples=[87])

    @classmethod
    def of(cls, exchange: Exchange) -> Self:
        duration_ms = round(exchange.duration_seconds * 1000)
        match exchange:
            case Answer():
                return cls(status_code=exchange.status_code, error=None, duration_ms=duration_ms)
            case NoAnswer():
                return cls(status_code=None, error=str(exchange.error), duration_ms=duration_ms)
