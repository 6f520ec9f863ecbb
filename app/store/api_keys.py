"""API keys in the ledger: several for each tenant, kept as hashes, and whose a key is.

A key is written `rbk_` + 20 characters of its tenant's id + 20 of its own + `_` + its chance. What comes before the
chance leads to the key, and is no secret; of the chance only the SHA-256 is kept.
"""

import base64
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from app.domain import ids
from app.domain.tenant import RateStanding
from app.store import codec, keys
from app.store.connection import Ledger, translated_errors
from app.store.tenant_records import FIELDS, Tenant, TenantRecords

# More is a habit of making keys and forgetting them.
MAX_API_KEYS = 100

# 32 bytes of chance: nothing that a slow hash would protect better than a fast one.
_CHANCE_BYTES = 32
_WRITTEN = re.compile(r"rbk_([0-9a-z]{20})([0-9a-z]{20})_([A-Za-z0-9_-]{43})")
_ID = re.compile(r"key_[0-9a-z]{20}")
_TENANT_ID = re.compile(r"ten_[0-9a-z]{20}")
# The last use is known to the minute.
_USE_NOTED_MS = 60_000
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; both times in Unix seconds, the last use to the minute and None before the first."""

    id: str
    name: str
    created_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key with its text, which is shown once."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"NewApiKey({self.key.id})"


class KeyName(NamedTuple):
    """Which key of which tenant."""

    tenant_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that bears a valid key; `rate` when its tenant's requests are bounded."""

    tenant: Tenant
    key_id: str
    rate: RateStanding | None


@dataclass(frozen=True, slots=True)
class Throttled:
    """A request that bears a valid key and comes too early; worth another try after `retry_after` seconds."""

    tenant_id: str
    rate: RateStanding
    retry_after: float


class NotAdded(Enum):
    """Why a tenant did not get another key."""

    NO_SUCH_TENANT = auto()
    TOO_MANY = auto()


class ApiKeyStore:
    def __init__(self, ledger: Ledger, records: TenantRecords) -> None:
        self._ledger = ledger
        self._records = records

    async def create(self, tenant_id: str, name: str) -> NewApiKey | NotAdded:
        """Give a tenant another key. See add_api_key.lua."""
        if not is_tenant_id(tenant_id):
            return NotAdded.NO_SUCH_TENANT
        new, fields = make_api_key(tenant_id, name, self._ledger.clock.now())
        record, digest = fields.values()
        arguments = [_bare(new.key.id), record, digest, MAX_API_KEYS]
        match await self._ledger.run("add_api_key", [keys.tenant(tenant_id)], arguments):
            case 1:
                return new
            case 0:
                return NotAdded.TOO_MANY
        return NotAdded.NO_SUCH_TENANT

    async def of_tenant(self, tenant_id: str) -> list[ApiKey] | None:
        """Return a tenant's keys, the oldest first, or None when there is no such tenant."""
        if not is_tenant_id(tenant_id):
            return None
        async with translated_errors():
            row = await self._ledger.redis.hgetall(keys.tenant(tenant_id))
        return sorted(_api_keys(row), key=lambda one: one.id) if b"n" in row else None

    async def gone(self, names: Collection[KeyName]) -> set[KeyName]:
        """Return those of some keys that open nothing any more: revoked, or their tenant deleted."""
        asked = list(names)
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in asked:
                pipe.hexists(keys.tenant(one.tenant_id), f"h{_bare(one.key_id)}")
            there = await pipe.execute() if asked else []
        return {one for one, is_there in zip(asked, there, strict=True) if not is_there}

    async def revoke(self, tenant_id: str, key_id: str) -> bool:
        """Let a key open nothing any more, from this moment on; False when there is no such key."""
        if not is_tenant_id(tenant_id) or not _ID.fullmatch(key_id):
            return False
        bare = _bare(key_id)
        async with translated_errors():
            gone = await self._ledger.redis.hdel(keys.tenant(tenant_id), f"h{bare}", f"k{bare}", f"u{bare}")
        return bool(gone)

    async def authenticate(self, text: str) -> Admitted | Throttled | None:
        """Return whose key this is, if anybody's; counts the request. See authenticate.lua."""
        written = _WRITTEN.fullmatch(text)
        if written is None:
            return None
        tenant_id, key_id = f"ten_{written[1]}", f"key_{written[2]}"
        names = [keys.tenant(tenant_id), keys.tenant_rate(tenant_id)]
        arguments = [written[2], _digest(written[3]), _USE_NOTED_MS, *FIELDS]
        answer = await self._ledger.run_soon("authenticate", names, arguments)
        if not answer:
            return None
        remain, full_after, wait, *row = answer
        tenant = self._records.open(tenant_id, row)
        if tenant is None:
            return None
        limit = tenant.quotas.requests_per_second
        rate = None if limit is None else RateStanding(limit, max(0, remain), full_after / _MICROSECONDS)
        if rate is not None and remain < 0:
            return Throttled(tenant_id, rate, wait / _MICROSECONDS)
        return Admitted(tenant, key_id, rate)


def is_tenant_id(text: str) -> bool:
    """Tell whether a tenant may have this id: what is not one must not become the name of a key in Redis."""
    return _TENANT_ID.fullmatch(text) is not None


def make_api_key(tenant_id: str, name: str, now: float) -> tuple[NewApiKey, dict[str, bytes]]:
    """Make a key, and return it with the fields that its tenant's hash keeps of it."""
    key = ApiKey(ids.plain_id("key_", now, os.urandom(ids.CHANCE_BYTES)), name, round(now, 3), None)
    chance = base64.urlsafe_b64encode(os.urandom(_CHANCE_BYTES)).decode().rstrip("=")
    bare = _bare(key.id)
    text = f"rbk_{tenant_id.removeprefix('ten_')}{bare}_{chance}"
    return NewApiKey(key, text), {f"k{bare}": codec.pack([name, round(now * 1000)]), f"h{bare}": _digest(chance)}


def _api_keys(row: Mapping[bytes, bytes]) -> Iterator[ApiKey]:
    for field, record in row.items():
        if field[:1] == b"k":
            name, created_ms = codec.unpack(record)[:2]
            used_ms = row.get(b"u" + field[1:])
            yield ApiKey(f"key_{field[1:].decode()}", name, created_ms / 1000, int(used_ms) / 1000 if used_ms else None)


def _bare(key_id: str) -> str:
    return key_id.removeprefix("key_")


def _digest(chance: str) -> bytes:
    return hashlib.sha256(chance.encode()).digest()
