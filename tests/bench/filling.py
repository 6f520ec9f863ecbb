"""Many calls and what happens to them, written into the ledger through the stores, without HTTP and at once."""

import asyncio
from collections.abc import Callable, Iterator

from app.domain.subscription import EventFilter
from app.resources import Resources
from app.store.keys import Partition, all_partitions
from app.store.subscriptions import NewSubscription
from tests.builders import Pairs, make_key
from tests.store.making import claim, delivered
from tests.store.polling import answered, claim_polls, step_after

_BATCH = 1000
# More than any bench follows in one partition.
_ALL = 100_000
_AT_ONCE = 200


async def follow(
    resources: Resources, count: int, new: Callable[[int], NewSubscription], *, batch: int = _BATCH
) -> None:
    """Register `new(0)` to `new(count - 1)`."""
    for start in range(0, count, batch):
        await resources.registrations.register_all([new(number) for number in range(start, min(start + batch, count))])


def subscription(tenant_id: str, sid: str, callback_url: str, metadata: dict[str, str]) -> NewSubscription:
    """Return a subscription to all events of a call of the tenant's."""
    return NewSubscription(tenant_id, make_key(call_sid=sid), callback_url, EventFilter(), metadata, None, {})


async def advance(resources: Resources, pairs: Pairs) -> int:
    """Poll every live call once, each of which has come so far; returns how many those are."""
    return sum(await asyncio.gather(*(_advance(resources, pairs, one) for one in _partitions(resources))))


async def _advance(resources: Resources, pairs: Pairs, partition: Partition) -> int:
    claims = await claim_polls(resources, partition, limit=_ALL)
    for start in range(0, len(claims), _AT_ONCE):
        some = claims[start : start + _AT_ONCE]
        await resources.watches.commit(partition, [step_after(one, answered(one, pairs)) for one in some])
    return len(claims)


async def deliver(resources: Resources) -> int:
    """Record that the next event of every subscription that has one has arrived; returns how many those are."""
    return sum(await asyncio.gather(*(_deliver(resources, one) for one in _partitions(resources))))


async def _deliver(resources: Resources, partition: Partition) -> int:
    claims = await claim(resources, partition, limit=_ALL)
    for start in range(0, len(claims), _AT_ONCE):
        some = claims[start : start + _AT_ONCE]
        await resources.deliveries.settle(partition, [delivered(one) for one in some])
    return len(claims)


def _partitions(resources: Resources) -> Iterator[Partition]:
    yield from all_partitions(resources.settings.partitions)
