"""Every error that the domain raises.

RingbackError
├── MalformedAnswer        the upstream answered with something that is not this call's status
├── InvalidSubscription    a subscription that cannot be made; names the field
├── InvalidSecret          a signing secret that is not `whsec_` + base64 of 24 to 64 bytes
├── InvalidSignature       a delivery whose signature does not hold
├── InvalidCallbackUrl     (callback_url.py) a callback URL that is refused, and why
├── InvalidIdempotencyKey  an `Idempotency-Key` that is none
├── TooManySecrets         no room for one more signing secret
└── UndecryptableSecret    a ciphertext that no key of ENCRYPTION_KEYS opens
"""


class RingbackError(Exception):
    """The base of every error that Ringback raises on purpose."""


class MalformedAnswer(RingbackError):
    """The upstream's answer is not a status of the call that was asked for."""


class InvalidSubscription(RingbackError):
    """A subscription that cannot be made as asked."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidSecret(RingbackError):
    """A signing secret that is not `whsec_` followed by base64 of 24 to 64 bytes."""


class InvalidSignature(RingbackError):
    """No signature of the delivery was made with any of the secrets, or it is too old."""


class UndecryptableSecret(RingbackError):
    """A stored secret that no key of `RINGBACK_ENCRYPTION_KEYS` opens."""
