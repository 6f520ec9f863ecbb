"""A subscription: a tenant's wish to have one call's events POSTed to one URL."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.dialect import CALL_SID_PREFIX
from app.domain.errors import InvalidSubscription
from app.domain.event import FINAL_NAMES

EVERYTHING = "call.*"
ONLY_FINAL = "final"
MAX_EVENTS = 20
MAX_METADATA_KEYS = 20
MAX_METADATA_KEY_LENGTH = 40
MAX_METADATA_VALUE_LENGTH = 500
# A delivery repeats the metadata; with this bound its body stays below 20 kB.
MAX_METADATA_BYTES = 8192
# Quotes, colon, comma and spaces of a pair, braces among them; and what a character takes at most, as two escapes.
_JSON_AROUND = 8
_MOST_ASCII_BYTES = 12
MAX_HEADERS = 10
MAX_HEADER_VALUE_LENGTH = 1000
MAX_NAME_LENGTH = 128
_DIGEST_BYTES = 9

_EVENT_TYPE = re.compile(r"call\.[a-z0-9_]{1,64}")
_CALL_SID = re.compile(re.escape(CALL_SID_PREFIX) + r"[A-Za-z0-9._~-]{1,124}")
# A name of dots alone would be a step up or down in the upstream's path.
_NAME = re.compile(rf"(?!\.+\Z)[\x21-\x7e]{{1,{MAX_NAME_LENGTH}}}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
# Names that belong to the delivery or to HTTP itself (RFC 9110, RFC 9112).
_RESERVED_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    },
)
_RESERVED_PREFIXES = ("webhook-", "proxy-", "sec-", "x-forwarded-", "x-connector-")


class SubscriptionStatus(StrEnum):
    """`completed` is never stored: it is `active` once the call's final event is known."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a subscription wants; none named means all."""

    names: tuple[str, ...] = ()

    def wants(self, event_type: str) -> bool:
        if not self.names or EVERYTHING in self.names or event_type in self.names:
            return True
        return ONLY_FINAL in self.names and event_type.removeprefix("call.") in FINAL_NAMES


def event_filter(names: Sequence[str]) -> EventFilter:
    """Make a filter of what was asked for; raises `InvalidSubscription` naming `events`."""
    if len(names) > MAX_EVENTS:
        raise InvalidSubscription("events", f"At most {MAX_EVENTS} event types can be named.")
    for name in names:
        if name not in (EVERYTHING, ONLY_FINAL) and not _EVENT_TYPE.fullmatch(name):
            raise InvalidSubscription(
                "events",
                f"{name[:80]!r} is no event type: name types such as 'call.completed', 'call.*' or 'final'.",
            )
    return EventFilter(tuple(dict.fromkeys(names)))


def check_call_sid(call_sid: str) -> str:
    """Return the SID, or raise `InvalidSubscription` when the upstream cannot have made it."""
    if not _CALL_SID.fullmatch(call_sid):
        raise InvalidSubscription(
            "call_sid",
            f"A call SID starts with {CALL_SID_PREFIX!r}; 1 to 124 letters, digits or . _ ~ - follow.",
        )
    return call_sid


def check_name(field: str, value: str) -> str:
    """Check an account, project or connector id: printable ASCII, since it travels in a URL or a header."""
    if not _NAME.fullmatch(value):
        raise InvalidSubscription(
            field,
            f"{field} is 1 to {MAX_NAME_LENGTH} printable ASCII characters without spaces, and not just dots.",
        )
    return value


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Bound the metadata, which every delivery repeats, so that a body stays small."""
    if len(metadata) > MAX_METADATA_KEYS:
        raise InvalidSubscription("metadata", f"metadata holds at most {MAX_METADATA_KEYS} keys.")
    for name, value in metadata.items():
        if not 0 < len(name) <= MAX_METADATA_KEY_LENGTH:
            raise InvalidSubscription("metadata", f"A metadata key has 1 to {MAX_METADATA_KEY_LENGTH} characters.")
        if len(value) > MAX_METADATA_VALUE_LENGTH:
            raise InvalidSubscription(
                "metadata",
                f"metadata[{name!r}] is longer than {MAX_METADATA_VALUE_LENGTH} characters.",
            )
        if not (name + value).isascii() and any("\ud800" <= character <= "\udfff" for character in name + value):
            raise InvalidSubscription("metadata", "metadata holds half of a surrogate pair, which is no text.")
    characters = sum(len(name) + len(value) + _JSON_AROUND for name, value in metadata.items())
    if characters * _MOST_ASCII_BYTES > MAX_METADATA_BYTES and len(json.dumps(metadata)) > MAX_METADATA_BYTES:
        raise InvalidSubscription("metadata", f"metadata is longer than {MAX_METADATA_BYTES} bytes as ASCII JSON.")
    return dict(metadata)


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Check the extra headers for the receiver's own authentication; names come back in lower case."""
    if len(headers) > MAX_HEADERS:
        raise InvalidSubscription("headers", f"At most {MAX_HEADERS} headers can be given.")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name) or lower in checked:
            raise InvalidSubscription("headers", f"{name[:80]!r} is no header name, or is given twice.")
        if lower in _RESERVED_HEADERS or lower.startswith(_RESERVED_PREFIXES):
            raise InvalidSubscription("headers", f"The header {name!r} is reserved.")
        if len(value) > MAX_HEADER_VALUE_LENGTH or not _HEADER_VALUE.fullmatch(value):
            raise InvalidSubscription(
                "headers",
                f"The value of {name!r} is not 1 to {MAX_HEADER_VALUE_LENGTH} printable ASCII characters.",
            )
        checked[lower] = value
    return checked


def registration_digest(tenant_id: str, callback_url: str) -> str:
    """Name a registration within its call: equal for the same tenant and URL."""
    digest = hashlib.sha256(f"{tenant_id} {callback_url}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode()
