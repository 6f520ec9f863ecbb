"""What is kept encrypted, and with which key: AES-256-GCM, keys rotated by putting a new one first.

A sealed text is one byte of format, four that name the key, twelve of nonce, and the ciphertext with its
tag. The purpose is authenticated with it, so that a ciphertext copied to another place does not open.
"""

import base64
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.errors import UndecryptableSecret

_FORMAT = b"\x01"
_NAME_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + _NAME_BYTES + _NONCE_BYTES


class Vault:
    """Seals and opens texts with the installation's keys, each 32 bytes in URL-safe base64."""

    def __init__(self, keys: Sequence[str]) -> None:
        raw = [base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)) for key in keys]
        names = [hashlib.sha256(b"ringback key name" + key).digest()[:_NAME_BYTES] for key in raw]
        self._ciphers = {name: AESGCM(key) for name, key in zip(names, raw, strict=True)}
        self._current = names[0]

    @property
    def key_name(self) -> str:
        """The name of the first key, which tells nothing of it."""
        return self._current.hex()

    def seal(self, text: str, purpose: str) -> bytes:
        """Encrypt under the first key."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, text.encode(), purpose.encode())
        return _FORMAT + self._current + nonce + sealed

    def reseal(self, sealed: bytes, purpose: str) -> bytes:
        """Return the same text under the first key, and what is under it already as it is.

        It is opened either way: raises `UndecryptableSecret` as `open` does.
        """
        text = self.open(sealed, purpose)
        return sealed if sealed[1 : 1 + _NAME_BYTES] == self._current else self.seal(text, purpose)

    def open(self, sealed: bytes, purpose: str) -> str:
        """Decrypt, or raise `UndecryptableSecret` when the key is not among ours or the text was tampered with."""
        cipher = self._ciphers.get(sealed[1 : 1 + _NAME_BYTES])
        if sealed[:1] != _FORMAT or cipher is None:
            raise UndecryptableSecret("No key of RINGBACK_ENCRYPTION_KEYS opens a stored secret.")
        nonce = sealed[1 + _NAME_BYTES : _HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], purpose.encode()).decode()
        except (InvalidTag, ValueError):
            raise UndecryptableSecret("A stored secret was altered or belongs to another place.") from None
