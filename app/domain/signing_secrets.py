"""A tenant's signing secrets: which of them sign at a moment, and how one takes the place of another.

The newest signs until it is replaced. One that was replaced goes on beside its successors until it expires, so that
a receiver has time to learn the new one: a delivery then bears a signature with each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from app.domain.errors import RingbackError
from app.domain.signing import secret_key

# Each costs a signature of 47 characters in each delivery. Whoever rotates more often than overlaps end has
# receivers that cannot follow.
MOST_SECRETS = 5
DEFAULT_OVERLAP_SECONDS = 86400
# A secret that was replaced a month ago and signs still has been forgotten.
MAX_OVERLAP_SECONDS = 30 * 86400
_HINT_LENGTH = 4


class TooManySecrets(RingbackError):
    """So many secrets sign at this moment that another one finds no room."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One secret, as it is written (`whsec_…`). Times are Unix seconds; one that has no successor never expires."""

    id: str
    secret: str = field(repr=False)
    created_at: float
    expires_at: float | None = None

    @property
    def hint(self) -> str:
        """The last characters before the padding: enough to tell secrets apart, and no help in guessing one."""
        return self.secret.rstrip("=")[-_HINT_LENGTH:]

    def signs_at(self, now: float) -> bool:
        return self.expires_at is None or now < self.expires_at


def signing_at(secrets: Iterable[SigningSecret], now: float) -> tuple[SigningSecret, ...]:
    """Return those that sign at a moment, in the order in which they are kept: the newest first."""
    return tuple(one for one in secrets if one.signs_at(now))


def signing_keys(secrets: Iterable[SigningSecret], now: float) -> tuple[bytes, ...]:
    """Return the keys with which a delivery is signed at a moment, the newest first."""
    return tuple(secret_key(one.secret) for one in signing_at(secrets, now))


def rotated(secrets: Sequence[SigningSecret], new: SigningSecret, overlap_seconds: float) -> tuple[SigningSecret, ...]:
    """Return a tenant's secrets once `new` is the newest: what signs no more at its creation is dropped.

    After `overlap_seconds` the new one signs alone: none of the others keeps longer than that, nor longer than it had
    before. Raises `TooManySecrets` when more than `MOST_SECRETS` would sign together.
    """
    end = new.created_at + overlap_seconds
    replaced = (replace(one, expires_at=min(one.expires_at or end, end)) for one in secrets)
    kept = (new, *signing_at(replaced, new.created_at))
    if len(kept) > MOST_SECRETS:
        raise TooManySecrets(
            f"{MOST_SECRETS} secrets sign at this moment, which is as many as can: rotate again when the first of them "
            "has expired, or with an overlap of 0 seconds, which ends all of them."
        )
    return kept
