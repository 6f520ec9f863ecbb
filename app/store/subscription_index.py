"""Which subscriptions a tenant has: by age over all partitions, or of one call."""

from collections.abc import Sequence

from app.domain import ids
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition, sort_key, subscriptions_of_call


class SubscriptionIndex:
    def __init__(self, ledger: Ledger, partitions: Sequence[Partition]) -> None:
        self._ledger = ledger
        self._partitions = partitions

    async def before(self, tenant_id: str, place: str, limit: int) -> list[str]:
        """Return the ids of up to `limit` of a tenant's subscriptions behind `place`, the newest first.

        The partitions' indexes are merged: within each, ids sort by age behind their partition's two characters.
        """
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for partition in self._partitions:
                head = f"sub_{ids.encode(partition.number, 2)}"
                upper = f"({head}{place}" if place else "+"
                pipe.zrevrangebylex(partition.of_tenant(tenant_id), upper, "-", 0, limit)
            pages = await pipe.execute()
        return _newest_first([one.decode() for page in pages for one in page])[:limit]

    async def of_call_before(
        self, partition: Partition, tenant_id: str, call_sid: str, place: str, limit: int
    ) -> list[str]:
        """Do the same for one call, which lives in `partition`."""
        ids_of_call = await self.of_call(partition, tenant_id, call_sid)
        return _newest_first([one for one in ids_of_call if not place or sort_key(one) < place])[:limit]

    async def of_call(self, partition: Partition, tenant_id: str, call_sid: str) -> list[str]:
        """Return the ids of a tenant's subscriptions of a call, in the order in which they were made."""
        async with translated_errors():
            found = await self._ledger.redis.get(partition.call(tenant_id, call_sid))
        return subscriptions_of_call(partition, found)


def _newest_first(subscription_ids: Sequence[str]) -> list[str]:
    return sorted(subscription_ids, key=sort_key, reverse=True)
