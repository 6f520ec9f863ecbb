"""Subscriptions in the ledger: registered with their call, read, listed, changed and ended."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain import ids
from app.domain.subscription import SubscriptionStatus, registration_digest
from app.domain.watch import new_watch
from app.store import codec
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition, all_partitions, partition_number
from app.store.subscription_changes import Changed, change_subscription
from app.store.subscription_index import SubscriptionIndex, sort_key
from app.store.subscription_records import (
    Destination,
    NewSubscription,
    Subscription,
    SubscriptionBodies,
    SubscriptionChange,
    filter_text,
)
from app.store.vault import Vault

# What whoever works with subscriptions needs is found here, wherever it is written.
__all__ = [
    "Changed",
    "Destination",
    "NewSubscription",
    "Registration",
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


@dataclass(frozen=True, slots=True)
class Registration:
    """What came of registering: the id, whether it is new, and which doorbells to ring."""

    id: str
    partition: Partition
    created: bool
    poll_now: bool
    deliver_now: bool


class SubscriptionStore:
    def __init__(self, ledger: Ledger, vault: Vault, partitions: int, lifetime_seconds: float) -> None:
        """`lifetime_seconds` is the longest that a call can be followed and kept."""
        self._ledger = ledger
        self._vault = vault
        self._bodies = SubscriptionBodies(vault)
        self._partitions = all_partitions(partitions)
        self._index = SubscriptionIndex(ledger, self._partitions)
        self._lifetime_seconds = lifetime_seconds

    def partition_of_call(self, call_sid: str) -> Partition:
        return self._partitions[partition_number(call_sid, len(self._partitions))]

    def partition_of(self, subscription_id: str) -> Partition | None:
        """Return where a subscription lives, or None when its id leads nowhere."""
        number = ids.partition_of(subscription_id)
        return self._partitions[number] if number is not None and number < len(self._partitions) else None

    async def register(self, new: NewSubscription) -> Registration:
        """Register a subscription and follow its call; the one there is found again; see register.lua."""
        partition = self.partition_of_call(new.key.call_sid)
        now = self._ledger.clock.now()
        watch, watch_id = new_watch(new.key, now), new.key.watch_id
        new_id = ids.subscription_id(partition.number, now, os.urandom(ids.CHANCE_BYTES))
        oldest = ids.subscription_id(partition.number, max(0.0, now - self._lifetime_seconds), b"")
        names = [
            partition.due,
            partition.outbox,
            partition.watch(watch_id),
            partition.events(watch_id),
            partition.subscriptions(watch_id),
            partition.subscription(new_id),
            partition.call(new.tenant_id, new.key.call_sid),
            partition.of_tenant(new.tenant_id),
        ]
        arguments = [
            watch_id,
            new_id,
            registration_digest(new.tenant_id, new.callback_url),
            filter_text(new.events),
            codec.pack_key(watch, self._vault),
            codec.pack_state(watch),
            new.tenant_id,
            self._bodies.pack(new, now),
            round(self._lifetime_seconds * 1000),
            oldest,
            SubscriptionStatus.ACTIVE.value,
            partition.prefix,
        ]
        created, subscription_id, poll_now, deliver_now, now_ms = await self._ledger.run("register", names, arguments)
        self._ledger.clock.set(now_ms)
        return Registration(subscription_id.decode(), partition, bool(created), bool(poll_now), bool(deliver_now))

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

    async def end(self, subscription: Subscription, status: SubscriptionStatus, attempt: bytes = b"") -> bool:
        """End a subscription as cancelled or disabled; False when it had ended before. See end_subscription.lua."""
        partition = self.partition_of(subscription.id)
        if partition is None:
            return False
        names = [
            partition.due,
            partition.outbox,
            partition.subscription(subscription.id),
            partition.watch(subscription.watch_id),
            partition.subscriptions(subscription.watch_id),
            partition.log(subscription.id),
        ]
        arguments = [subscription.id, subscription.watch_id, status.value, attempt]
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
                pipe.hmget(partition.subscription(one), "w", "t", "st", "b", "c", "u")
            rows = await pipe.execute()
            for watch_id, *_ in rows:
                pipe.hmget(partition.watch((watch_id or b"").decode()), "k", "f")
            calls = await pipe.execute()
        return [
            self._subscription(one, row, key, final) if row[0] and key else None
            for one, row, (key, final) in zip(subscription_ids, rows, calls, strict=True)
        ]

    def _subscription(
        self, subscription_id: str, row: Sequence[bytes], key: bytes, final: bytes | None
    ) -> Subscription:
        watch_id, tenant_id, status_text, body, cursor, updated_ms = row
        destination = self._bodies.open(body)
        if updated_ms:
            destination = replace(destination, updated_at=int(updated_ms) / 1000)
        status = SubscriptionStatus(status_text.decode())
        if final and status is SubscriptionStatus.ACTIVE:
            status = SubscriptionStatus.COMPLETED
        return Subscription(
            subscription_id,
            tenant_id.decode(),
            watch_id.decode(),
            status,
            final.decode() if final else None,
            int(cursor),
            codec.unpack_names(key),
            destination,
        )
