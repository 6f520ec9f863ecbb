"""What several resources' documents share.

The shapes of texts are for the document alone: the domain checks them, and says in better words what is wrong.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.config import JsonDict

from app.domain.callback_url import MAX_LENGTH
from app.domain.subscription import (
    MAX_HEADER_VALUE_LENGTH,
    MAX_HEADERS,
    MAX_METADATA_KEY_LENGTH,
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE_LENGTH,
    MAX_NAME_LENGTH,
)

EXAMPLE_SID = "OUT-550e8400-e29b-41d4-a716-446655440000"
EXAMPLE_URL = "https://crm.example.com/hooks/calls"

Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2024-03-15T10:00:00Z"]),
]
NextCursor = Annotated[str | None, Field(description="What to ask the next page with; null at the end.")]

# Blanks around a name are taken off.
NOT_BLANK: JsonDict = {"pattern": r"\S"}

_QUAD = "(?:[A-Za-z0-9+/]{4})"
_SECRET = (
    f"^whsec_(?:{_QUAD}{{8,20}}(?:[A-Za-z0-9+/]{{2}}==|[A-Za-z0-9+/]{{3}}=)?|{_QUAD}{{21}}(?:[A-Za-z0-9+/]{{2}}==)?)$"
)
_PERCENT = "%[0-9A-Fa-f]{2}"
_URL = (
    r"^[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?"
    rf"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|{_PERCENT})*)?"
    rf"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]{{}}|-]|{_PERCENT})*)?$"
)

CallSid = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": "^OUT-[A-Za-z0-9._~-]{1,124}$", "examples": [EXAMPLE_SID]}),
]
CallbackUrl = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri",
            "pattern": _URL,
            "maxLength": MAX_LENGTH,
            "examples": [EXAMPLE_URL],
        }
    ),
]
EventName = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^(?:final|call\.\*|call\.[a-z0-9_]{1,64})$", "examples": ["call.completed"]}
    ),
]
UpstreamName = Annotated[str, WithJsonSchema({"type": "string", "pattern": rf"^(?!\.+$)[!-~]{{1,{MAX_NAME_LENGTH}}}$"})]
SecretText = Annotated[str, WithJsonSchema({"type": "string", "pattern": _SECRET})]
Metadata = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE_LENGTH},
            "propertyNames": {"minLength": 1, "maxLength": MAX_METADATA_KEY_LENGTH},
            "maxProperties": MAX_METADATA_KEYS,
            "examples": [{"deal": "4711"}],
        }
    ),
]
ReceiverHeaders = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": "^[!-~](?:[ -~]*[!-~])?$",
                "maxLength": MAX_HEADER_VALUE_LENGTH,
            },
            "propertyNames": {"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"},
            "maxProperties": MAX_HEADERS,
            "examples": [{"authorization": "Bearer of-your-receiver"}],
        }
    ),
]


def whole(value: Any) -> Any:
    """Return 5 for 5.0: in JSON it is the same number, which strict validation would refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
