"""What a receiver says back of what it was sent: its own credentials are taken out of it before it is kept."""

import json
from collections.abc import Iterable, Iterator

_MASK = b"***"
# What is shorter is nobody's secret, and would riddle the text.
_SHORTEST = 4


def without_echoes(text: bytes, header_values: Iterable[str], *, truncated: bool) -> bytes:
    """Return a receiver's answer without the values of the request headers that were meant for it alone.

    They are found as they were sent, without the scheme in front of credentials, and as JSON writes them; of an
    answer that is `truncated`, also where the end of one is cut off.
    """
    spellings = sorted({one for value in header_values for one in _spellings(value)}, key=len, reverse=True)
    for spelling in spellings:
        text = text.replace(spelling, _MASK)
    return _without_beginning(text, spellings) if truncated else text


def _spellings(value: str) -> Iterator[bytes]:
    for part in (value, value.partition(" ")[2]):
        if len(part) >= _SHORTEST:
            yield part.encode()
            yield json.dumps(part)[1:-1].encode()


def _without_beginning(text: bytes, spellings: Iterable[bytes]) -> bytes:
    """Mask the longest beginning of a spelling that the text ends with."""
    beginnings = (spelling[:length] for spelling in spellings for length in range(_SHORTEST, len(spelling)))
    cut = max((len(beginning) for beginning in beginnings if text.endswith(beginning)), default=0)
    return text[: len(text) - cut] + _MASK if cut else text
