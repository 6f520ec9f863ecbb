"""Times in requests."""

import re

from app.domain.timestamps import parse_timestamp
from app.service.errors import InvalidField

# RFC 3339, section 5.6: a time names its offset. Read as some zone or other, a range would be hours off.
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def read_time(name: str, text: str | None) -> float | None:
    """Return Unix seconds, None for no time; raises `InvalidField` for what is no RFC 3339."""
    if text is None:
        return None
    instant = parse_timestamp(text) if _RFC_3339.fullmatch(text) else None
    if instant is None:
        raise InvalidField(name, f"{name} is no time as RFC 3339 writes it, such as 2024-03-15T10:00:00Z.")
    return instant.timestamp()
