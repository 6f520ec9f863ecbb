"""Short forms of what nearly all that is kept of a call consists of: words and times.

A word that is expected is written as its number, and a time as the seconds that its text says; any other text is
written as it is.
"""

from datetime import date
from functools import lru_cache

from app.domain.errors import RingbackError

ShortTime = str | int | list[int]

# A word's number is its place. Words are only ever appended: what was written must stay readable.
_WORDS = (
    "", "CREATED", "created", "queued", "ringing", "in-progress", "in_progress", "completed", "failed", "no-answer",
    "no_answer", "busy", "cancelled", "lost", "not_found", "expired", "unauthorized", "invalid_call_sid",
    "watch_expired", "delivered", "retry", "gone",
)  # fmt: skip
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}
_EPOCH = date(1970, 1, 1).toordinal()
_TWO_DIGITS = tuple(f"{number:02d}" for number in range(60))
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
    try:
        return _WORDS[written]  # type: ignore[index] # a word without a number is its own
    except TypeError:
        return written  # type: ignore[return-value]
    except IndexError:
        raise UnknownLayout(f"The word {written} was written by a newer Ringback.") from None


def short_time(text: str) -> ShortTime:
    """Return the Unix seconds of an RFC 3339 text, or those and its microseconds; else the text."""
    if len(text) not in _TIME_LENGTHS:
        return text
    try:
        seconds = _days(text[:10]) * _SECONDS_A_DAY + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        micros = int(text[20:-1].ljust(6, "0")) if len(text) > _TIME_LENGTHS[0] else 0
    except ValueError:
        return text
    short = [seconds, micros] if micros else seconds
    return short if long_time(short) == text else text


def long_time(written: ShortTime) -> str:
    if isinstance(written, int):
        return _to_the_second(written) + "Z"
    if isinstance(written, str):
        return written
    seconds, micros = written
    fraction = f"{micros:06d}" if micros % _MICROS_A_MILLISECOND else f"{micros // _MICROS_A_MILLISECOND:03d}"
    return f"{_to_the_second(seconds)}.{fraction}Z"


def _to_the_second(seconds: int) -> str:
    day, second = divmod(seconds, _SECONDS_A_DAY)
    minute = second // 60
    return f"{_date(day)}T{_TWO_DIGITS[minute // 60]}:{_TWO_DIGITS[minute % 60]}:{_TWO_DIGITS[second % 60]}"


# A claim reads two times of each call, and what is followed at a time is of one day or two.
@lru_cache(64)
def _date(day: int) -> str:
    """Write the date of so many days after the Unix epoch; empty where there is none, for what is only tried."""
    try:
        return date.fromordinal(_EPOCH + day).isoformat()
    except (ValueError, OverflowError):
        return ""


@lru_cache(64)
def _days(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH
