"""Requests that may be sent again without being carried out again.

As draft-ietf-httpapi-idempotency-key-header-07 has it: a key of the caller's own, and a fingerprint of the request, so
that a key that is used for something else by mistake is noticed.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.errors import RingbackError

MAX_KEY_LENGTH = 255
# The draft's form, a string of structured fields (RFC 9651, section 3.3.3); and the bare form that most clients send.
_STRING = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_ESCAPED = re.compile(r"\\(.)")


class InvalidIdempotencyKey(RingbackError):
    """An Idempotency-Key that is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with. `location` is empty where the answer names none."""

    status: int
    media_type: str
    location: str
    body: bytes


def idempotency_key(values: Sequence[str]) -> str:
    """Return the key that the header's values say; raises `InvalidIdempotencyKey`.

    A bare key and the same one in quotes are one key.
    """
    value = values[0].strip(" \t") if len(values) == 1 else ""
    quoted = _STRING.fullmatch(value)
    bare = value if _BARE.fullmatch(value) else ""
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else bare
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidIdempotencyKey(
            f'Idempotency-Key is one string of 1 to {MAX_KEY_LENGTH} printable ASCII characters, as in "8e03978e".',
        )
    return key


def fingerprint(method: str, target: str, body: bytes) -> bytes:
    """Return what tells a request from others under the same key; `target` is path and query."""
    head = f"{method} {target}\n".encode()
    return hashlib.sha256(head + body).digest()
