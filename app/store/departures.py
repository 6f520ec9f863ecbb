"""Tenants that are being deleted: what is theirs ends piece by piece, and whoever dies over it is followed.

A tenant is put down as leaving before anything is touched, and struck off after everything is done. What lies between
can be done again: its record goes, and with it its keys, secrets and connector; then each partition's index of its
subscriptions is walked, and those alive are cancelled. A request that was let in a moment before may register one
behind the walk. So a tenant is leaving until no such request can be under way any more, and is walked once more then.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.domain.subscription import SubscriptionStatus
from app.store import keys
from app.store.api_keys import is_tenant_id
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition, all_partitions
from app.store.subscriptions import SubscriptionStore

# A request under way has been answered, or given up, by then.
STRAGGLERS_SECONDS = 60.0
# So many subscriptions are looked at in one round trip, and so many are ended at once: others find a connection too.
_LOOKED_AT_ONCE = 500
_ENDED_AT_ONCE = 25
_ALIVE = (SubscriptionStatus.ACTIVE.value.encode(), SubscriptionStatus.PAUSED.value.encode())


@dataclass(frozen=True, slots=True)
class Leaving:
    """A tenant that is locked out; `settled` when no request that was let in before can be under way any more."""

    tenant_id: str
    settled: bool


@dataclass(frozen=True, slots=True)
class _Alive:
    """A subscription that is to be ended; its secrets, which nothing here can need, stay closed."""

    id: str
    tenant_id: str
    watch_id: str


class Departures:
    def __init__(self, ledger: Ledger, subscriptions: SubscriptionStore, partitions: int) -> None:
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._partitions = all_partitions(partitions)

    async def begin(self, tenant_id: str) -> bool:
        """Put a tenant down as leaving; False when there is none. One that is leaving already goes on doing so."""
        if not is_tenant_id(tenant_id):
            return False
        redis, now_ms = self._ledger.redis, round(self._ledger.clock.now() * 1000)
        async with translated_errors():
            if await redis.exists(keys.tenant(tenant_id)):
                await redis.zadd(keys.LEAVING_TENANTS, {tenant_id: now_ms}, nx=True)
                return True
            return await redis.zscore(keys.LEAVING_TENANTS, tenant_id) is not None

    async def under_way(self) -> list[str]:
        """Return the ids of those that are leaving, the first first."""
        async with translated_errors():
            found = await self._ledger.redis.zrange(keys.LEAVING_TENANTS, 0, -1)
        return [tenant_id.decode() for tenant_id in found]

    async def lock_out(self, tenant_id: str) -> Leaving:
        """Let nobody in with the keys of a tenant that is leaving: its record goes, unless it is gone by now."""
        redis, now_ms = self._ledger.redis, round(self._ledger.clock.now() * 1000)
        async with translated_errors():
            if await redis.exists(keys.tenant(tenant_id)):
                # Requests are let in up to this moment, however long ago the deletion was begun.
                await redis.zadd(keys.LEAVING_TENANTS, {tenant_id: now_ms}, xx=True)
            await redis.delete(keys.tenant(tenant_id), keys.tenant_rate(tenant_id))
            await redis.zrem(keys.TENANTS, tenant_id)
            since_ms = await redis.zscore(keys.LEAVING_TENANTS, tenant_id) or 0
        return Leaving(tenant_id, settled=now_ms - since_ms >= STRAGGLERS_SECONDS * 1000)

    async def cancel_all(self, leaving: Leaving) -> int:
        """Cancel the subscriptions of a tenant that is locked out, and strike it off if none can follow any more.

        Returns how many were cancelled.
        """
        cancelled = 0
        for partition in self._partitions:
            async for alive in self._alive(partition, leaving.tenant_id):
                for at in range(0, len(alive), _ENDED_AT_ONCE):
                    cancelled += sum(await asyncio.gather(*map(self._cancel, alive[at : at + _ENDED_AT_ONCE])))
        if leaving.settled:
            async with translated_errors():
                await self._ledger.redis.zrem(keys.LEAVING_TENANTS, leaving.tenant_id)
        return cancelled

    async def _cancel(self, alive: _Alive) -> bool:
        return await self._subscriptions.end(alive, SubscriptionStatus.CANCELLED)

    async def _alive(self, partition: Partition, tenant_id: str) -> AsyncIterator[list[_Alive]]:
        """Walk a tenant's index of a partition, and yield what is alive of each stretch."""
        place = "-"
        while True:
            async with translated_errors():
                index = partition.of_tenant(tenant_id)
                stretch = await self._ledger.redis.zrangebylex(index, place, "+", 0, _LOOKED_AT_ONCE)
                if not stretch:
                    return
                pipe = self._ledger.redis.pipeline(transaction=False)
                for one in stretch:
                    pipe.hmget(partition.subscription(one.decode()), "st", "w")
                rows = await pipe.execute()
            yield [
                _Alive(one.decode(), tenant_id, watch_id.decode())
                for one, (status, watch_id) in zip(stretch, rows, strict=True)
                if status in _ALIVE
            ]
            place = f"({stretch[-1].decode()}"
