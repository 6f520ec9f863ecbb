"""Pages of a list: `limit`, and a cursor that is opaque to whoever sends it back."""

import base64
import binascii
import re

from pydantic import BaseModel, ConfigDict, Field

from app.service.errors import InvalidField

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class PageQuery(BaseModel):
    """The query of a list. A misspelt filter is refused, since ignoring it would answer with everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many items to return at most.")
    cursor: str | None = Field(
        None, description="The `next_cursor` of the page before.", json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"}
    )


def write_cursor(place: str) -> str | None:
    """Return the cursor for a place in a list, None for its end."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=") if place else None


def read_cursor(cursor: str | None, place: re.Pattern[str]) -> str:
    """Return the place that a cursor stands for, empty for the start; raises `InvalidField` for one of others."""
    if cursor is None:
        return ""
    try:
        found = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not place.fullmatch(found):
        raise InvalidField("cursor", "This cursor is not one that this list has given.")
    return found
