"""Tenants in the ledger. Secrets and connectors are sealed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import ids
from app.domain.tenant import Quotas
from app.store import keys
from app.store.api_keys import is_tenant_id, make_api_key
from app.store.connection import Ledger, StoreTakesNoWrites, translated_errors
from app.store.signing_secrets import new_secret
from app.store.tenant_records import FIELDS, NAME, Tenant, TenantChange, TenantRecords

# What whoever works with tenants needs is found here, wherever it is written.
__all__ = ["NewTenant", "Tenant", "TenantChange", "TenantPage", "TenantStore"]

_FIRST_KEY = "default"


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant with the one key that is shown once."""

    tenant: Tenant
    api_key: str

    def __repr__(self) -> str:
        return f"NewTenant({self.tenant.id})"


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Some tenants, the oldest first; `following` is where to go on, empty at the end."""

    items: tuple[Tenant, ...]
    following: str


class TenantStore:
    def __init__(self, ledger: Ledger, records: TenantRecords) -> None:
        self._ledger = ledger
        self._records = records

    async def create(
        self, name: str, account_id: str, project_id: str, connector_id: str, quotas: Quotas | None = None
    ) -> NewTenant:
        """Create a tenant with a signing secret and a first API key."""
        now = self._ledger.clock.now()
        tenant = Tenant(
            ids.plain_id("ten_", now, os.urandom(ids.CHANCE_BYTES)),
            name,
            account_id,
            project_id,
            connector_id,
            (new_secret(now),),
            round(now, 3),
            quotas or Quotas(),
        )
        key, key_fields = make_api_key(tenant.id, _FIRST_KEY, now)
        # Listed first: what has secrets is in the list, whenever this ends.
        async with translated_errors():
            await self._ledger.redis.zadd(keys.TENANTS, {tenant.id: 0})
        try:
            async with translated_errors():
                await self._ledger.redis.hset(keys.tenant(tenant.id), mapping=self._records.fields(tenant) | key_fields)
        except StoreTakesNoWrites:
            async with translated_errors():
                await self._ledger.redis.zrem(keys.TENANTS, tenant.id)
            raise
        return NewTenant(tenant, key.text)

    async def get(self, tenant_id: str) -> Tenant | None:
        return (await self._read([tenant_id]))[0] if is_tenant_id(tenant_id) else None

    async def page(self, *, limit: int, after: str) -> TenantPage:
        """Return up to `limit` tenants behind the id `after`; fewer where one is being made or deleted just now."""
        async with translated_errors():
            lowest = f"({after}" if after else "-"
            # One more than is shown tells whether anything follows.
            listed = await self._ledger.redis.zrangebylex(keys.TENANTS, lowest, "+", 0, limit + 1)
        found = [one.decode() for one in listed[:limit]]
        tenants = await self._read(found) if found else []
        return TenantPage(tuple(one for one in tenants if one), found[-1] if len(listed) > limit else "")

    async def count(self) -> int:
        """Return how many tenants there are, those that are being made just now among them."""
        async with translated_errors():
            return int(await self._ledger.redis.zcard(keys.TENANTS))

    async def names_of(self, tenant_ids: Sequence[str]) -> dict[str, str]:
        """Return the names of tenants by id, without those that are not there (any more)."""
        if not tenant_ids:
            return {}
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in tenant_ids:
                pipe.hget(keys.tenant(one), NAME)
            names = await pipe.execute()
        return {one: name.decode() for one, name in zip(tenant_ids, names, strict=True) if name is not None}

    async def change(self, tenant_id: str, change: TenantChange) -> bool:
        """Change a tenant from this moment on; False when there is none. See change_tenant.lua."""
        fields = self._records.changed(tenant_id, change)
        pairs = [part for pair in fields.items() for part in pair]
        return is_tenant_id(tenant_id) and bool(
            await self._ledger.run("change_tenant", [keys.tenant(tenant_id)], pairs)
        )

    async def _read(self, tenant_ids: Sequence[str]) -> list[Tenant | None]:
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in tenant_ids:
                pipe.hmget(keys.tenant(one), FIELDS)
            rows = await pipe.execute()
        return [self._records.open(one, row) for one, row in zip(tenant_ids, rows, strict=True)]
