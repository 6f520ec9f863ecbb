"""A tenant's deliveries, page by page.

Without a status the newest subscription comes first, and of each the highest sequence; those that have failed, if
nothing else narrows them, come by when they were given up, the last first. What is new comes before the first
page either way, so a cursor stands for the same place whatever happens meanwhile.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.delivery import DeliveryStatus
from app.store.connection import Ledger, translated_errors
from app.store.delivery_records import Delivery, QueueStore
from app.store.keys import partition_number, sort_key
from app.store.subscription_index import SubscriptionIndex

# A place in either order: behind a delivery of a subscription, or behind one that was given up at a time in ms.
_IN_SUBSCRIPTIONS = re.compile(r"([0-9a-z]{20})/(\d{1,10})")
_IN_FAILED = re.compile(r"(\d{1,15}):(sub_[0-9a-z]{22}/\d{1,10})")
PLACE = re.compile(f"{_IN_SUBSCRIPTIONS.pattern}|{_IN_FAILED.pattern}")
# A page that is filtered looks at so many subscriptions at a time, and at no more than so many in all: it may
# come out short, and says where to go on. Each brings its events and its log along.
_SCAN_AT_ONCE = 50
_MOST_SCANNED = 500


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which of a tenant's deliveries; what is None does not narrow them."""

    subscription_id: str | None = None
    call_sid: str | None = None
    status: DeliveryStatus | None = None

    def shows(self, delivery: Delivery) -> bool:
        return self.status in (None, delivery.status) and self.call_sid in (None, delivery.call.call_sid)

    @property
    def failed_alone(self) -> bool:
        return self == DeliveryFilter(status=DeliveryStatus.FAILED)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some of a tenant's deliveries; `following` is where to go on, empty at the end."""

    items: tuple[Delivery, ...]
    following: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An entry of those that have failed, `at` in Unix ms. They sort by when they were given up."""

    at: int
    member: str

    @property
    def subscription_id(self) -> str:
        return self.member.partition("/")[0]

    @property
    def sequence(self) -> int:
        return int(self.member.partition("/")[2])

    @property
    def key(self) -> tuple[int, str]:
        return self.at, self.member


class DeliveryPages:
    def __init__(self, ledger: Ledger, queues: QueueStore) -> None:
        self._ledger = ledger
        self._queues = queues
        self._index = SubscriptionIndex(ledger, queues.partitions)

    async def page(self, tenant_id: str, only: DeliveryFilter, *, limit: int, place: str = "") -> DeliveryPage:
        """Return up to `limit` of a tenant's deliveries, behind the place that the page before has named.

        With a filter a page may be short or even empty and yet not the last. A place of another list is at the
        end of this one.
        """
        if only.failed_alone:
            return await self._failed_page(tenant_id, limit, place)
        if place and not _IN_SUBSCRIPTIONS.fullmatch(place):
            return DeliveryPage((), "")
        at_once = _SCAN_AT_ONCE if only.status else min(limit + 1, _SCAN_AT_ONCE)
        found: list[Delivery] = []
        for _ in range(0, _MOST_SCANNED, at_once):
            candidates = await self._subscriptions_from(tenant_id, only, place, at_once)
            found += await self._deliveries_of(candidates, tenant_id, only, place)
            if len(found) > limit:
                last = found[limit - 1]
                return DeliveryPage(tuple(found[:limit]), f"{sort_key(last.subscription_id)}/{last.sequence}")
            if len(candidates) < at_once:
                return DeliveryPage(tuple(found), "")
            place = f"{sort_key(candidates[-1])}/1"
        return DeliveryPage(tuple(found), place)

    async def _subscriptions_from(self, tenant_id: str, only: DeliveryFilter, place: str, limit: int) -> list[str]:
        """Return the ids of subscriptions at a place and behind it."""
        key, _, sequence = place.partition("/")
        # What sorts just behind an id is the id with something appended: so the one at the place is read again.
        before = f"{key}~" if key and int(sequence) > 1 else key
        if only.subscription_id is not None:
            behind = not before or sort_key(only.subscription_id) < before
            return [only.subscription_id] if behind else []
        if only.call_sid is not None:
            partition = self._queues.partitions[partition_number(only.call_sid, len(self._queues.partitions))]
            return await self._index.of_call_before(partition, tenant_id, only.call_sid, before, limit)
        return await self._index.before(tenant_id, before, limit)

    async def _deliveries_of(
        self, candidates: Sequence[str], tenant_id: str, only: DeliveryFilter, place: str
    ) -> list[Delivery]:
        key, _, sequence = place.partition("/")
        return [
            delivery
            for queue in await self._queues.read(tenant_id, candidates)
            for delivery in queue.deliveries(int(sequence) if key == sort_key(queue.subscription_id) else None)
            if only.shows(delivery)
        ]

    async def _failed_page(self, tenant_id: str, limit: int, place: str) -> DeliveryPage:
        match = _IN_FAILED.fullmatch(place)
        if place and not match:
            return DeliveryPage((), "")
        behind = GivenUp(int(match[1]), match[2]) if match else None
        found: list[tuple[GivenUp, Delivery]] = []
        for _ in range(0, _MOST_SCANNED, _SCAN_AT_ONCE):
            entries = await self._failed_behind(tenant_id, behind, _SCAN_AT_ONCE)
            read = await self._queues.read(tenant_id, [entry.subscription_id for entry in entries])
            queues = {queue.subscription_id: queue for queue in read}
            for entry in entries:
                queue = queues.get(entry.subscription_id)
                delivery = queue.delivery(entry.sequence) if queue else None
                if delivery and delivery.status is DeliveryStatus.FAILED:
                    found.append((entry, delivery))
            if len(found) > limit:
                return DeliveryPage(tuple(delivery for _, delivery in found[:limit]), _place(found[limit - 1][0]))
            if len(entries) < _SCAN_AT_ONCE:
                return DeliveryPage(tuple(delivery for _, delivery in found), "")
            behind = entries[-1]
        return DeliveryPage(tuple(delivery for _, delivery in found), _place(behind) if behind else "")

    async def _failed_behind(self, tenant_id: str, behind: GivenUp | None, limit: int) -> list[GivenUp]:
        """Merge the partitions' entries behind one of them, the last that was given up first."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for partition in self._queues.partitions:
                name = partition.failed(tenant_id)
                highest = f"({behind.at}" if behind else "+inf"
                pipe.zrevrangebyscore(name, highest, "-inf", 0, limit, withscores=True)
                if behind:
                    pipe.zrangebyscore(name, behind.at, behind.at, withscores=True)
            answers = await pipe.execute()
        entries = [GivenUp(round(score), member.decode()) for answer in answers for member, score in answer]
        left = [entry for entry in entries if behind is None or entry.key < behind.key]
        return sorted(left, key=lambda entry: entry.key, reverse=True)[:limit]

    async def failed_between(self, tenant_id: str, since: float, until: float, limit: int) -> list[GivenUp]:
        """Return up to `limit` entries that were given up between two Unix times, both included, in that order."""
        lowest, highest = round(since * 1000), "+inf" if until == float("inf") else round(until * 1000)
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for partition in self._queues.partitions:
                pipe.zrangebyscore(partition.failed(tenant_id), lowest, highest, 0, limit, withscores=True)
            answers = await pipe.execute()
        entries = [GivenUp(round(score), member.decode()) for answer in answers for member, score in answer]
        return sorted(entries, key=lambda entry: entry.key)[:limit]


def _place(entry: GivenUp) -> str:
    return f"{entry.at}:{entry.member}"
