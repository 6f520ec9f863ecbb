"""Subscriptions in the ledger: read, listed, changed and ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import ids
from app.domain.subscription import SubscriptionStatus
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition, all_partitions, partition_number, sort_key
from app.store.subscription_changes import Changed, change_subscription
from app.store.subscription_index import SubscriptionIndex
from app.store.subscription_records import (
    FIELDS,
    Destination,
    NewSubscription,
    PlacedSubscription,
    Subscription,
    SubscriptionBodies,
    SubscriptionChange,
)
from app.store.vault import Vault
from app.store.watches import NAME_COMMANDS, CallPlace, names_in, queue_names

# What whoever works with subscriptions needs is found here, wherever it is written.
__all__ = [
    "Changed",
    "Destination",
    "NewSubscription",
    "Subscription",
    "SubscriptionChange",
    "SubscriptionPage",
    "SubscriptionStore",
]

# A page that is filtered looks at so many subscriptions at a time, and at no more than so many in all: it may
# come out short, and says where to go on.
_SCAN_AT_ONCE = 200
_MOST_SCANNED = 2000


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """Some of a tenant's subscriptions, the newest first; `following` is where to go on, empty at the end."""

    items: tuple[Subscription, ...]
    following: str


class SubscriptionStore:
    def __init__(self, ledger: Ledger, vault: Vault, partitions: int) -> None:
        self._ledger = ledger
        self._bodies = SubscriptionBodies(vault)
        self._partitions = all_partitions(partitions)
        self._index = SubscriptionIndex(ledger, self._partitions)

    def partition_of_call(self, call_sid: str) -> Partition:
        return self._partitions[partition_number(call_sid, len(self._partitions))]

    def partition_of(self, subscription_id: str) -> Partition | None:
        """Return where a subscription lives, or None when its id leads nowhere."""
        number = ids.partition_of(subscription_id)
        return self._partitions[number] if number is not None and number < len(self._partitions) else None

    async def get(self, subscription_id: str) -> Subscription | None:
        """Return a subscription, or None when there is none of that id (any more)."""
        partition = self.partition_of(subscription_id)
        if partition is None:
            return None
        return (await self._read(partition, [subscription_id]))[0]

    async def watches_of_call(self, tenant_id: str, call_sid: str) -> list[str]:
        """Return the watches that a tenant's subscriptions of a call lead to, the one asked for last first."""
        partition = self.partition_of_call(call_sid)
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in await self._index.of_call(partition, tenant_id, call_sid):
                pipe.hget(partition.subscription(one), "w")
            found = await pipe.execute()
        return list(dict.fromkeys(watch_id.decode() for watch_id in reversed(found) if watch_id))

    async def page(
        self,
        tenant_id: str,
        *,
        limit: int,
        before: str = "",
        call_sid: str | None = None,
        status: SubscriptionStatus | None = None,
    ) -> SubscriptionPage:
        """Return up to `limit` of a tenant's subscriptions, the newest first, those that have ended too.

        `before` is where the page before said to go on; see `sort_key`. With a status a page may be short or
        even empty and yet not the last.
        """
        found: list[Subscription] = []
        for _ in range(0, _MOST_SCANNED, _SCAN_AT_ONCE):
            # One more than is shown tells whether anything follows.
            wanted = _SCAN_AT_ONCE if status else limit + 1
            if call_sid is None:
                candidates = await self._index.before(tenant_id, before, wanted)
            else:
                partition = self.partition_of_call(call_sid)
                candidates = await self._index.of_call_before(partition, tenant_id, call_sid, before, wanted)
            found += [one for one in await self._read_all(candidates) if one and status in (None, one.status)]
            if len(found) > limit:
                return SubscriptionPage(tuple(found[:limit]), sort_key(found[limit - 1].id))
            if len(candidates) < wanted:
                return SubscriptionPage(tuple(found), "")
            before = sort_key(candidates[-1])
        return SubscriptionPage(tuple(found), before)

    async def change(self, subscription: Subscription, change: SubscriptionChange) -> Changed:
        """Change a subscription; changes that meet are made one after the other. See change_subscription.lua.

        `Changed.STALE` is what remains when others were faster again and again.
        """
        partition = self.partition_of(subscription.id)
        if partition is None:
            return Changed.NOT_THERE
        return await change_subscription(self._ledger, partition, subscription, change)

    async def end(
        self,
        subscription: PlacedSubscription,
        status: SubscriptionStatus,
        attempt: bytes = b"",
        *,
        unless_changed_since: str = "*",
    ) -> bool:
        """End a subscription as cancelled or disabled; False when it stays as it is. See end_subscription.lua.

        `unless_changed_since` is a claim's `changed`, `*` for whatever it has become.
        """
        partition = self.partition_of(subscription.id)
        if partition is None:
            return False
        names = [
            partition.due,
            partition.outbox,
            partition.subscription(subscription.id),
            partition.watch(subscription.watch_id),
            partition.registrations(subscription.watch_id),
            partition.log(subscription.id),
        ]
        arguments = [
            subscription.id, subscription.watch_id, status.value, attempt, partition.prefix, unless_changed_since,
        ]  # fmt: skip
        return bool(await self._ledger.run("end_subscription", names, arguments))

    def open_body(self, body: bytes) -> Destination:
        """Read a stored body, and open its secrets."""
        return self._bodies.open(body)

    async def _read_all(self, subscription_ids: Sequence[str]) -> list[Subscription | None]:
        by_partition: dict[int, list[str]] = {}
        for one in subscription_ids:
            by_partition.setdefault(ids.partition_of(one) or 0, []).append(one)
        read: dict[str, Subscription | None] = {}
        for number, group in by_partition.items():
            read.update(zip(group, await self._read(self._partitions[number], group), strict=True))
        return [read[one] for one in subscription_ids]

    async def _read(self, partition: Partition, subscription_ids: Sequence[str]) -> list[Subscription | None]:
        """Read subscriptions of one partition, and of their calls the names and whether the final event is known.

        A call whose retention is over takes its subscriptions with it, although their own keys last longer.
        """
        if not subscription_ids:
            return []
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in subscription_ids:
                pipe.hmget(partition.subscription(one), *FIELDS)
            rows = await pipe.execute()
            for watch_id, *_ in rows:
                place = CallPlace(partition, (watch_id or b"").decode())
                pipe.hget(partition.watch(place.watch_id), "f")
                queue_names(pipe, place)
            answers = await pipe.execute()
        found: list[Subscription | None] = []
        for at, (one, row) in enumerate(zip(subscription_ids, rows, strict=True)):
            final, *named = answers[at * (NAME_COMMANDS + 1) : (at + 1) * (NAME_COMMANDS + 1)]
            names = names_in(named)
            found.append(self._bodies.subscription(one, row, names, final) if row[0] and names else None)
        return found
