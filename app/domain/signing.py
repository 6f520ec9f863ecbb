"""Signatures as the Standard Webhooks specification defines them.

Signed is `{webhook-id}.{webhook-timestamp}.{body}` with HMAC-SHA256; the header carries `v1,` and the
base64 of the digest, once per secret, separated by spaces, so that a secret can be rotated.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from app.domain.errors import InvalidSecret, InvalidSignature

SECRET_PREFIX = "whsec_"  # noqa: S105 -- the specification's prefix, no secret
# The specification asks for a key of 24 to 64 bytes.
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
# How far a delivery's timestamp may be from the receiver's clock; the value of the reference libraries.
TOLERANCE_SECONDS = 300
_SENT_AT = re.compile(r"[0-9]{1,12}")


def secret_from_bytes(key: bytes) -> str:
    """Write a key the way secrets are shown: `whsec_` and standard base64."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def secret_key(secret: str) -> bytes:
    """Return the key bytes of a `whsec_` secret, or raise `InvalidSecret`."""
    if not secret.startswith(SECRET_PREFIX):
        raise InvalidSecret(f"A signing secret starts with {SECRET_PREFIX!r}.")
    text = secret.removeprefix(SECRET_PREFIX)
    # Python reads more padding than there may be; other libraries, with which receivers verify, do not.
    key = _read_base64(text) if len(text) % 4 == 0 else None
    if key is None:
        raise InvalidSecret(f"A signing secret is {SECRET_PREFIX!r} followed by base64.")
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise InvalidSecret(
            f"A signing secret holds {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, this one {len(key)}.",
        )
    return key


def _read_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def sign(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one `v1,…` per key, the newest key first."""
    signed = b"%b.%d.%b" % (webhook_id.encode(errors="replace"), timestamp, body)
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def signed_headers(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of an attempt made at `timestamp`, in Unix seconds, signed as `sign` does."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys, webhook_id, timestamp, body),
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: int) -> None:
    """Check a received delivery; `headers` with lower-case names, `now` in Unix seconds.

    Raises `InvalidSignature` when a header is missing, the timestamp is more than five minutes off, or no
    signature was made with any of `secrets`.
    """
    webhook_id = headers.get("webhook-id", "")
    sent_at = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()
    if not webhook_id or not signatures or not _SENT_AT.fullmatch(sent_at):
        raise InvalidSignature("webhook-id, webhook-timestamp or webhook-signature is missing or malformed.")
    if abs(now - int(sent_at)) > TOLERANCE_SECONDS:
        raise InvalidSignature(f"webhook-timestamp is more than {TOLERANCE_SECONDS} s from this clock.")
    for secret in secrets:
        expected = sign([secret_key(secret)], webhook_id, int(sent_at), body).encode()
        if any(hmac.compare_digest(expected, offered.encode(errors="replace")) for offered in signatures):
            return
    raise InvalidSignature("No signature matches.")
