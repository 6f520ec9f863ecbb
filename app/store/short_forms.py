"""Short forms of what nearly all that is kept of a call consists of: words and times.

A word that is expected is written as its number, and a time as the seconds that its text says; any other text is
written as it is.
"""

from datetime import datetime, timedelta

from app.domain.errors import RingbackError

ShortTime = str | int | list[int]

# A word's number is its place. Words are only ever appended: what was written must stay readable.
_WORDS = (
    "", "CREATED", "created", "queued", "ringing", "in-progress", "in_progress", "completed", "failed", "no-answer",
    "no_answer", "busy", "cancelled", "lost", "not_found", "expired", "unauthorized", "invalid_call_sid",
    "watch_expired", "delivered", "retry", "gone",
)  # fmt: skip
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- all of these are in UTC, and none says so: it is added in writing
_SECONDS_A_DAY = 86_400
# The lengths of RFC 3339 in UTC with a "Z", as it is written here: without a fraction, with milli- and microseconds.
_TIME_LENGTHS = (20, 24, 27)
_MICROS_A_MILLISECOND = 1000


class UnknownLayout(RingbackError):
    """Something in Redis was written by a newer Ringback than this one."""


def short_word(word: str) -> int | str:
    return _NUMBERS.get(word, word)


def long_word(written: int | str) -> str:
    """Return what `short_word` was given; raises `UnknownLayout` for a number that only a newer Ringback knows."""
    if isinstance(written, str):
        return written
    if written >= len(_WORDS):
        raise UnknownLayout(f"The word {written} was written by a newer Ringback.")
    return _WORDS[written]


def short_time(text: str) -> ShortTime:
    """Return the Unix seconds of an RFC 3339 text, or those and its microseconds; else the text."""
    if len(text) not in _TIME_LENGTHS:
        return text
    try:
        since = datetime.fromisoformat(text[:-1]) - _EPOCH
    except (ValueError, TypeError):
        return text
    seconds = since.days * _SECONDS_A_DAY + since.seconds
    short = [seconds, since.microseconds] if since.microseconds else seconds
    return short if long_time(short) == text else text


def long_time(written: ShortTime) -> str:
    if isinstance(written, str):
        return written
    if isinstance(written, int):
        return (_EPOCH + timedelta(seconds=written)).isoformat() + "Z"
    seconds, micros = written
    instant = _EPOCH + timedelta(seconds=seconds, microseconds=micros)
    return instant.isoformat(timespec="microseconds" if micros % _MICROS_A_MILLISECOND else "milliseconds") + "Z"
