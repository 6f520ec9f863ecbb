"""Tenants and their API keys in the ledger. Keys are stored as hashes, secrets and connectors sealed."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from app.domain import ids
from app.domain.signing import secret_from_bytes
from app.store import codec, keys
from app.store.connection import Ledger, translated_errors
from app.store.vault import Vault

_API_KEY_PREFIX = "rbk_"
# 32 bytes of chance: nothing that a slow hash would protect better than a fast one.
_API_KEY_BYTES = 32
_SIGNING_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant with its default upstream credentials. `signing_keys` are secrets in clear, the newest first."""

    id: str
    name: str
    account_id: str
    project_id: str
    connector_id: str
    signing_secrets: tuple[str, ...]
    created_at: float

    def __repr__(self) -> str:
        return f"Tenant({self.id})"


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant with the one key that is shown once."""

    tenant: Tenant
    api_key: str


class TenantStore:
    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        self._vault = vault

    async def create(self, name: str, account_id: str, project_id: str, connector_id: str) -> NewTenant:
        """Create a tenant with a signing secret and a first API key."""
        now = self._ledger.clock.now()
        tenant = Tenant(
            ids.plain_id("ten_", now, os.urandom(ids.CHANCE_BYTES)),
            name,
            account_id,
            project_id,
            connector_id,
            (secret_from_bytes(os.urandom(_SIGNING_SECRET_BYTES)),),
            round(now, 3),
        )
        key_id = ids.plain_id("key_", now, os.urandom(ids.CHANCE_BYTES))
        chance = base64.urlsafe_b64encode(os.urandom(_API_KEY_BYTES)).decode().rstrip("=")
        record = codec.pack([tenant.id, "default", hashlib.sha256(chance.encode()).digest(), round(now * 1000)])
        async with translated_errors():
            await self._ledger.redis.set(keys.tenant(tenant.id), self._pack(tenant))
            await self._ledger.redis.set(keys.api_key(key_id), record)
            await self._ledger.redis.zadd(keys.TENANTS, {tenant.id: 0})
        return NewTenant(tenant, f"{_API_KEY_PREFIX}{key_id.removeprefix('key_')}_{chance}")

    async def get(self, tenant_id: str) -> Tenant | None:
        async with translated_errors():
            record = await self._ledger.redis.get(keys.tenant(tenant_id))
        return self._unpack(tenant_id, record) if record else None

    async def page(self, *, limit: int, after: str) -> list[Tenant]:
        """Return up to `limit` tenants, the oldest first, behind the id `after`."""
        async with translated_errors():
            found = await self._ledger.redis.zrangebylex(keys.TENANTS, f"({after}" if after else "-", "+", 0, limit)
        tenants = [await self.get(one.decode()) for one in found]
        return [tenant for tenant in tenants if tenant]

    async def authenticate(self, api_key: str) -> Tenant | None:
        """Return the tenant whose key this is, or None."""
        key_id, _, chance = api_key.removeprefix(_API_KEY_PREFIX).partition("_")
        if not api_key.startswith(_API_KEY_PREFIX) or not chance or not api_key.isascii():
            return None
        async with translated_errors():
            record = await self._ledger.redis.get(keys.api_key(f"key_{key_id}"))
        if record is None:
            return None
        tenant_id, _, digest, _ = codec.unpack(record)[:4]
        if not hmac.compare_digest(hashlib.sha256(chance.encode()).digest(), digest):
            return None
        return await self.get(tenant_id)

    def _pack(self, tenant: Tenant) -> bytes:
        connector = self._vault.seal(tenant.connector_id, f"connector {tenant.id}")
        secrets = [self._vault.seal(one, f"signing {tenant.id}") for one in tenant.signing_secrets]
        created_ms = round(tenant.created_at * 1000)
        return codec.pack([tenant.name, tenant.account_id, tenant.project_id, connector, secrets, created_ms])

    def _unpack(self, tenant_id: str, record: bytes) -> Tenant:
        name, account_id, project_id, connector, secrets, created_ms = codec.unpack(record)[:6]
        return Tenant(
            tenant_id,
            name,
            account_id,
            project_id,
            self._vault.open(connector, f"connector {tenant_id}"),
            tuple(self._vault.open(one, f"signing {tenant_id}") for one in secrets),
            created_ms / 1000,
        )
