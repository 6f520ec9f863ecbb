"""Times in requests."""

from app.domain.timestamps import parse_timestamp
from app.service.errors import InvalidField


def read_time(name: str, text: str | None) -> float | None:
    """Return Unix seconds, None for no time; raises `InvalidField` for what is no RFC 3339."""
    if text is None:
        return None
    instant = parse_timestamp(text)
    if instant is None:
        raise InvalidField(name, f"{name} is no time as RFC 3339 writes it, such as 2024-03-15T10:00:00Z.")
    return instant.timestamp()
