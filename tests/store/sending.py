"""What a deliver worker does, receiver included: the first delivery of a queue arrives, is put off or is given up."""

from dataclasses import replace

from app.domain.delivery import Outcome
from app.resources import Resources
from app.store.deliveries import ClaimedOutbox, Settlement
from app.store.delivery_records import Delivery, Queue, QueueStore
from app.store.keys import Partition
from app.store.watches import Recorded
from tests.store.making import claim, delivered, given_up, passed, put_off, read, settle
from tests.store.polling import EVERYTHING


async def take(resources: Resources, member: str) -> ClaimedOutbox:
    """Claim a place of the outbox, be it leased or waiting, and no other."""
    partition = partition_of(resources, member.partition("/")[0])
    claims = await claim(resources, partition, horizon=EVERYTHING)
    await resources.deliveries.release(partition, [claimed for claimed in claims if claimed.member != member])
    return next(claimed for claimed in claims if claimed.member == member)


async def arrive(resources: Resources, member: str, count: int = 1) -> None:
    """Deliver the next so many events of a place."""
    for _ in range(count):
        await _record(resources, delivered(await take(resources, member)), "delivered")


async def fail(resources: Resources, member: str, wait: float = 100.0) -> None:
    """Try the next event of a place in vain, and put it off by so many seconds."""
    retry_at = resources.ledger.clock.now() + wait
    await _record(resources, put_off(await take(resources, member), "retry", retry_at=retry_at), "retry")


async def give_up(resources: Resources, member: str, count: int = 1) -> None:
    """Try the next so many events of a place for the last time."""
    for _ in range(count):
        await _record(resources, given_up(await take(resources, member)), "failed")


async def overtake(resources: Resources, member: str, wait: float = 100.0) -> None:
    """Deliver the event behind the head, which gets a lane of its own and is put off."""
    retry_at = resources.ledger.clock.now() + wait
    await _record(resources, passed(await take(resources, member), retry_at=retry_at), "delivered")


async def _record(resources: Resources, settlement: Settlement, outcome: Outcome) -> None:
    assert settlement.attempt is not None
    attempt = replace(settlement.attempt, outcome=outcome, sequence=settlement.sequence)
    partition = partition_of(resources, settlement.member.partition("/")[0])
    assert await settle(resources, partition, replace(settlement, attempt=attempt)) != [Recorded.STALE]


def partition_of(resources: Resources, subscription_id: str) -> Partition:
    partition = resources.subscriptions.partition_of(subscription_id)
    assert partition is not None
    return partition


async def queue_of(resources: Resources, subscription_id: str) -> Queue:
    store = QueueStore(resources.ledger, resources.settings.partitions)
    [queue] = await store.read((await read(resources, subscription_id)).tenant_id, [subscription_id])
    return queue


async def delivery_of(resources: Resources, subscription_id: str, sequence: int) -> Delivery:
    found = (await queue_of(resources, subscription_id)).delivery(sequence)
    assert found is not None
    return found


async def statuses(resources: Resources, subscription_id: str) -> dict[int, str]:
    """Return the status of each delivery by its sequence."""
    queue = await queue_of(resources, subscription_id)
    return {delivery.sequence: delivery.status.value for delivery in queue.deliveries()}


async def score(resources: Resources, member: str) -> float | None:
    """Return when a place of the outbox is due, in Unix ms, with a fraction while it is leased."""
    partition = partition_of(resources, member.partition("/")[0])
    found: float | None = await resources.ledger.redis.zscore(partition.outbox, member)
    return found
