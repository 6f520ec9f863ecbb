"""Registering subscriptions: one round trip for those of a partition, and what is made known without another.

See register.lua. What comes back is all that an answer tells, so nobody reads again what was just written.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from app.domain import ids
from app.domain.event import CallNames
from app.domain.metadata_versions import MetadataVersions
from app.domain.subscription import SubscriptionStatus, registration_digest
from app.store import codec
from app.store.chances import AscendingChances
from app.store.connection import Ledger, ScriptCall, translated_errors
from app.store.keys import Partition, all_partitions, call_digest, partition_number
from app.store.subscription_records import Destination, NewSubscription, Subscription, SubscriptionBodies, filter_text
from app.store.vault import Vault

# A script blocks Redis while it runs: so many registrations take about three milliseconds.
_MOST_AT_ONCE = 100
_NEW = 1


class Full(IntEnum):
    """Which bound has no room for one more: the numbers are the script's."""

    ACTIVE_SUBSCRIPTIONS = 2
    SUBSCRIPTIONS_PER_CALL = 3


@dataclass(frozen=True, slots=True)
class Registration:
    """What came of registering: the subscription, whether it is new, and which doorbells to ring."""

    subscription: Subscription
    partition: Partition
    created: bool
    poll_now: bool
    deliver_now: bool

    @property
    def id(self) -> str:
        return self.subscription.id

    @property
    def took_room(self) -> bool:
        """Whether there is one more active subscription now."""
        return self.created and self.subscription.final_event is None


@dataclass(frozen=True, slots=True)
class Refused:
    """A new subscription for which its tenant has no room."""

    bound: Full


@dataclass(frozen=True, slots=True)
class _Item:
    """One to be registered: its place in the answer, what was asked for, and the ids that it has if it is new."""

    place: int
    new: NewSubscription
    room: bool
    id: str
    watch_id: str


class RegistrationStore:
    def __init__(self, ledger: Ledger, vault: Vault, partitions: int, lifetime_seconds: float) -> None:
        """`lifetime_seconds` is the longest that a call can be followed and kept."""
        self._ledger = ledger
        self._vault = vault
        self._lines = codec.Lines(vault)
        self._chances = AscendingChances()
        self._bodies = SubscriptionBodies(vault)
        self._partitions = all_partitions(partitions)
        self._lifetime_seconds = lifetime_seconds

    async def register(self, new: NewSubscription) -> Registration:
        """Register one without a bound."""
        [registration] = await self.register_all([new])
        if isinstance(registration, Refused):
            raise TypeError("What is not bound cannot be refused.")
        return registration

    async def register_all(
        self, wanted: Sequence[NewSubscription], *, room: int | None = None, most_of_call: int | None = None
    ) -> list[Registration | Refused]:
        """Register subscriptions and follow their calls; those there are found again. Returns a result for each.

        Only the first `room` of them may be active ones that are new, and each call may have `most_of_call` of its
        tenant. Partitions are asked at the same time; should one fail, others may have registered theirs.
        """
        now = self._ledger.clock.now()
        by_partition: dict[int, list[_Item]] = {}
        chances = self._chances.draw(int(now * 1000), len(wanted))
        for place, (new, chance) in enumerate(zip(wanted, chances, strict=True)):
            number = partition_number(new.key.call_sid, len(self._partitions))
            made = ids.subscription_id(number, now, chance)
            item = _Item(place, new, room is None or place < room, made, new.key.watch_id)
            by_partition.setdefault(number, []).append(item)
        chunks = [
            (self._partitions[number], items[at : at + _MOST_AT_ONCE])
            for number, items in by_partition.items()
            for at in range(0, len(items), _MOST_AT_ONCE)
        ]
        results: dict[int, Registration | Refused] = {}
        for (partition, items), (*rows, now_ms) in zip(chunks, await self._run(chunks, now, most_of_call), strict=True):
            self._ledger.tell_time(now_ms, partition.due)
            for item, row in zip(items, rows, strict=True):
                results[item.place] = self._result(partition, item, row, now)
        return [results[place] for place in range(len(wanted))]

    async def active(self, tenant_id: str) -> int:
        """Count a tenant's subscriptions that are active or paused and whose call has not ended."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for partition in self._partitions:
                pipe.hvals(partition.active(tenant_id))
            return sum(int(count) for counts in await pipe.execute() for count in counts)

    async def _run(
        self, chunks: Sequence[tuple[Partition, Sequence[_Item]]], now: float, most_of_call: int | None
    ) -> Sequence[Any]:
        """Return what register.lua does for each chunk."""
        if len(chunks) == 1:
            call = self._call(*chunks[0], now, most_of_call)
            return [await self._ledger.run_soon(call.script, call.names, call.arguments)]
        calls = []
        for partition, items in chunks:
            calls.append(self._call(partition, items, now, most_of_call))
            # Packing takes a millisecond: others have their turn in between.
            await asyncio.sleep(0)
        return await self._ledger.run_each(calls)

    def _call(self, partition: Partition, items: Sequence[_Item], now: float, most_of_call: int | None) -> ScriptCall:
        oldest = ids.subscription_id(partition.number, max(0.0, now - self._lifetime_seconds), b"")
        arguments: list[Any] = [
            partition.prefix,
            round(self._lifetime_seconds * 1000),
            oldest,
            SubscriptionStatus.ACTIVE.value,
            self._lines.field,
        ]
        for item in items:
            new = item.new
            arguments += (
                item.watch_id,
                item.id,
                registration_digest(new.tenant_id, new.callback_url),
                filter_text(new.events),
                self._lines.pack(new.key),
                codec.pack_call(new.key, now),
                new.tenant_id,
                self._bodies.pack(new, now),
                call_digest(new.tenant_id, new.key.call_sid),
                int(item.room),
                "" if most_of_call is None else most_of_call,
                new.trace.packed if new.trace and new.trace.sampled else "",
            )
        return ScriptCall("register", [partition.due, partition.outbox], arguments)

    def _result(self, partition: Partition, item: _Item, row: Sequence[Any], now: float) -> Registration | Refused:
        match row:
            case [code]:
                return Refused(Full(code))
            case [code, _, final, poll, deliver] if code == _NEW:
                made = _written(item, final.decode(), now)
                return Registration(made, partition, created=True, poll_now=bool(poll), deliver_now=bool(deliver))
        _, subscription_id, final, status, body, cursor, updated_ms = row
        kept = self._bodies.subscription(
            subscription_id.decode(),
            (item.watch_id.encode(), item.new.tenant_id.encode(), status, cursor, updated_ms, body),
            _names(item.new),
            final,
        )
        return Registration(kept, partition, created=False, poll_now=False, deliver_now=False)


def _written(item: _Item, final: str, now: float) -> Subscription:
    """Return a new subscription as reading it would."""
    new, at = item.new, round(now * 1000) / 1000
    return Subscription(
        item.id,
        new.tenant_id,
        item.watch_id,
        SubscriptionStatus.COMPLETED if final else SubscriptionStatus.ACTIVE,
        final or None,
        0,
        _names(new),
        Destination(new.callback_url, new.events, MetadataVersions(new.metadata), new.secret, new.headers, at, at),
    )


def _names(new: NewSubscription) -> CallNames:
    return CallNames(new.key.account_id, new.key.project_id, new.key.call_sid)
