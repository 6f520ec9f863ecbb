"""Idempotency keys in the ledger: who has reserved one, and what its request was answered with.

The record of a key is a reservation while its request is under way, and the answer afterwards. A process that dies
in between leaves a reservation, which lapses soon. Answers hold no secrets, so they are not sealed.
"""

import hashlib
import os
import zlib
from dataclasses import dataclass

from app.domain.idempotency import Answer
from app.store import codec, keys
from app.store.connection import Ledger

KEPT_SECONDS = 24 * 60 * 60
# Longer than any request takes, and short enough to be waited for after a crash.
_RESERVED_SECONDS = 60
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Reserved:
    """The key is this request's: it is to be carried out, and its end told of."""

    name: str
    fingerprint: bytes
    record: bytes


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The same request is being carried out at this moment."""


@dataclass(frozen=True, slots=True)
class AnotherRequest:
    """The key was used for a request that is not this one."""


class OnceStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def begin(
        self, tenant_id: str, key: str, fingerprint: bytes
    ) -> Reserved | UnderWay | AnotherRequest | Answer:
        """Reserve a tenant's key for a request, or return what has become of the key. See begin_once.lua."""
        name = keys.once(tenant_id, hashlib.sha256(key.encode()).hexdigest())
        record = codec.pack([fingerprint, os.urandom(_TOKEN_BYTES)])
        kept = await self._ledger.run("begin_once", [name], [record, _RESERVED_SECONDS * 1000])
        if kept is None:
            return Reserved(name, fingerprint, record)
        fields = codec.unpack(kept)
        if fields[0] != fingerprint:
            return AnotherRequest()
        match fields[1:]:
            case [status, media_type, location, body]:
                return Answer(status, media_type, location, zlib.decompress(body))
        return UnderWay()

    async def keep(self, reserved: Reserved, answer: Answer) -> None:
        """Keep the answer for a day. See end_once.lua."""
        body = zlib.compress(answer.body)
        record = codec.pack([reserved.fingerprint, answer.status, answer.media_type, answer.location, body])
        await self._end(reserved, record)

    async def release(self, reserved: Reserved) -> None:
        """Let the key be used again: nothing was done under it."""
        await self._end(reserved, b"")

    async def _end(self, reserved: Reserved, record: bytes) -> None:
        await self._ledger.run("end_once", [reserved.name], [reserved.record, record, KEPT_SECONDS * 1000])
