"""What several resources' documents share."""

from typing import Annotated

from pydantic import Field

EXAMPLE_SID = "OUT-550e8400-e29b-41d4-a716-446655440000"
EXAMPLE_URL = "https://crm.example.com/hooks/calls"

Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2024-03-15T10:00:00Z"]),
]
NextCursor = Annotated[str | None, Field(description="What to ask the next page with; null at the end.")]
