"""The `Retry-After` header of RFC 9110, section 10.2.3: seconds, or an HTTP date."""

from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None, now: float) -> float:
    """Return how long the header asks to wait from `now` (Unix seconds); 0 for none or nonsense."""
    text = (value or "").strip()
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
        # The old `asctime` spelling names no zone; it is UTC all the same.
        instant = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, instant.timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
