"""A tenant's calls, found by walking its subscriptions.

There is no index of calls: of a call's subscriptions the tenant's oldest one that is still kept stands for the call,
so that a call has one place, which others that subscribe to it do not move.

A step over any number of subscriptions takes four round trips, or five where a SID has several calls: what they
subscribe to, whether that is still kept, what else the tenant has subscribed to of the same SIDs, and where the oldest
of these lead. Of calls that are not wanted only the first two are asked, and for calls that have ended a script does
these at once. Nothing is read of the calls themselves but their names and whether they have ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.domain import ids
from app.store import codec
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition, sort_key, subscriptions_of_call
from app.store.watches import CallPlace


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call that a tenant has subscribed to, by the subscription that stands for it."""

    subscription_id: str
    place: CallPlace
    call_sid: str
    ended: bool


class CallWalk:
    def __init__(self, ledger: Ledger, partitions: Sequence[Partition]) -> None:
        self._ledger = ledger
        self._partitions = partitions

    async def calls_of(
        self, tenant_id: str, subscription_ids: Sequence[str], wanted: Callable[[FoundCall], bool]
    ) -> list[FoundCall]:
        """Return the wanted calls that these subscriptions of a tenant stand for, in the same order."""
        return await self._leading(tenant_id, [call for call in await self._kept(subscription_ids) if wanted(call)])

    async def ended(
        self, partition: Partition, tenant_id: str, *, polled_since: float, after: str, limit: int
    ) -> tuple[list[FoundCall], str]:
        """Return the calls that have ended and that the next `limit` subscriptions of a partition stand for.

        Only those that were polled last at `polled_since` (Unix seconds) or later. The text is the last subscription
        looked at, to go on after, and empty at the end. See ended_calls.lua.
        """
        arguments = [partition.prefix, after, limit, round(polled_since * 1000)]
        last, *rows = await self._ledger.run("ended_calls", [partition.of_tenant(tenant_id)], arguments)
        found = [
            FoundCall(one.decode(), CallPlace(partition, watch_id.decode()), codec.unpack_sid(call), ended=True)
            for one, watch_id, call in rows
        ]
        return await self._leading(tenant_id, found), last.decode()

    async def _leading(self, tenant_id: str, found: Sequence[FoundCall]) -> list[FoundCall]:
        """Return those of some calls where no older subscription of the tenant stands for the call."""
        groups = await self._groups(tenant_id, found)
        # Nearly always the oldest subscription of a SID decides.
        oldest = await self._watches_of([groups[call.call_sid][0] for call in found])
        leads = [call for call in found if groups[call.call_sid][0] == call.subscription_id]
        followers = [call for call in found if oldest[groups[call.call_sid][0]] != call.place.watch_id]
        older = {call.subscription_id: _older(call, groups[call.call_sid]) for call in followers}
        watches = await self._watches_of([one for group in older.values() for one in group])
        standing = {call.subscription_id for call in leads} | {
            call.subscription_id
            for call in followers
            if all(watches[one] != call.place.watch_id for one in older[call.subscription_id])
        }
        return [call for call in found if call.subscription_id in standing]

    async def _kept(self, subscription_ids: Sequence[str]) -> list[FoundCall]:
        """Return what the subscriptions lead to, without those whose call is not kept any more."""
        watches = await self._watches_of(subscription_ids)
        places = [
            (one, CallPlace(self._partition(one), watch_id)) for one in subscription_ids if (watch_id := watches[one])
        ]
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for _, (partition, watch_id) in places:
                pipe.hmget(partition.watch(watch_id), "i", "f")
            rows = await pipe.execute()
        return [
            FoundCall(one, place, codec.unpack_sid(call), bool(final))
            for (one, place), (call, final) in zip(places, rows, strict=True)
            if call
        ]

    async def _groups(self, tenant_id: str, found: Sequence[FoundCall]) -> dict[str, list[str]]:
        """Return all subscriptions of the tenant to each SID, the oldest first."""
        sids = {call.call_sid: call for call in found}
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for call_sid, call in sids.items():
                pipe.get(call.place.partition.call(tenant_id, call_sid))
            groups = await pipe.execute()
        return {
            call_sid: sorted(subscriptions_of_call(call.place.partition, group), key=sort_key) or [call.subscription_id]
            for (call_sid, call), group in zip(sids.items(), groups, strict=True)
        }

    async def _watches_of(self, subscription_ids: Sequence[str]) -> dict[str, str]:
        """Return the watch of each subscription, empty for one that has expired."""
        wanted = list(dict.fromkeys(subscription_ids))
        if not wanted:
            return {}
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in wanted:
                pipe.hget(self._partition(one).subscription(one), "w")
            found = await pipe.execute()
        return {one: (watch_id or b"").decode() for one, watch_id in zip(wanted, found, strict=True)}

    def _partition(self, subscription_id: str) -> Partition:
        return self._partitions[ids.partition_of(subscription_id) or 0]


def _older(call: FoundCall, group: Sequence[str]) -> list[str]:
    """Return those of a SID's subscriptions that were made before the one that led to a call."""
    place = sort_key(call.subscription_id)
    return [one for one in group if sort_key(one) < place]
