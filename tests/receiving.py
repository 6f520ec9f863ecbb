"""What a receiver relies on with every request, whatever event it tells of: that it is genuine, and wanted."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

# The moment that is signed is that of the attempt. A worker may stand still between that and the request.
_TOLERANCE_SECONDS = 60.0
# What was under way may still arrive after the answer to a cancellation or a pause: one event from each deliver
# worker, since one that stood still does not know that another has taken its work.
_UNDER_WAY = 2

# From when until when nothing is wanted, in Unix seconds.
Silence = tuple[float, float]


def objection_to(headers: Mapping[str, str], body: bytes, at: float | None, secret: str) -> str | None:
    """Return why a request, which arrived `at` that Unix second, is not to be trusted; None if it is.

    By the text of Standard Webhooks, and by no code of the service; `secret` begins with `whsec_`, `headers` have
    names in lower case.
    """
    webhook_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent_at.isascii() and sent_at.isdigit()):
        return f"the timestamp is {sent_at!r}"
    if at is not None and abs(at - int(sent_at)) > _TOLERANCE_SECONDS:
        return f"the timestamp is {at - int(sent_at):.0f} s before its arrival"
    signed = f"{webhook_id}.{sent_at}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    genuine = "v1," + base64.b64encode(digest).decode()
    return None if genuine in headers.get("webhook-signature", "").split(" ") else "no signature matches"


def too_many_while_silent(arrivals: Sequence[float], silences: Sequence[Silence]) -> int:
    """Return how many requests arrived while nothing was wanted; 0 if that may be what was under way."""
    counts = [sum(begins < at < ends for at in arrivals) for begins, ends in silences]
    return sum(count for count in counts if count > _UNDER_WAY)
