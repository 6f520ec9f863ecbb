"""Times in and out: the upstream's spellings are read generously, ours are RFC 3339 in UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache

# RFC 3339 and the ISO 8601 spellings seen beside it: a space for the T, a fraction of any length, an
# offset with or without a colon, or no zone at all (read as UTC, which the vendor's example uses).
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9})\d*)?"
    r"\s?(Z|z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    re.ASCII,
)


def parse_timestamp(text: object) -> datetime | None:
    """Return the instant in UTC to the microsecond, or None when `text` does not tell one."""
    match = _ISO.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= 64 else None  # noqa: PLR2004
    if match is None:
        return None
    date, time, fraction, zone = match.groups()
    micros = (fraction or "").ljust(6, "0")[:6]
    offset = "+00:00" if zone is None or zone.upper() in ("Z", "UTC") else zone
    try:
        return datetime.fromisoformat(f"{date}T{time}.{micros}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_timestamp(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC: without a fraction where it has none, else with 3 or 6 digits."""
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    if not utc.microsecond:
        return utc.isoformat() + "Z"
    return utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds") + "Z"


def from_unix(seconds: float) -> datetime:
    """Return the instant that is so many seconds after the Unix epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


# One event goes to as many subscriptions as its call has.
@lru_cache(1024)
def unix_seconds(text: str) -> float | None:
    """Return the instant that a text tells in Unix seconds, or None when it tells none."""
    instant = parse_timestamp(text)
    return instant.timestamp() if instant else None


# What is made in one request has one time, and tells it twice for each.
@lru_cache(64)
def format_unix(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC to the millisecond."""
    return format_timestamp(from_unix(round(seconds, 3)))
