"""Changes of a subscription, and what they find in the outbox."""

from typing import Any

from app.resources import Resources
from app.store.deliveries import ClaimedOutbox, Settlement
from app.store.registrations import Registration
from app.store.subscriptions import Changed, SubscriptionChange
from app.store.watches import Recorded
from tests.store.making import claim_one, read, settle, subscribed

FAR_SECONDS = 900.0


async def change(resources: Resources, one: Registration, **fields: Any) -> Changed:
    return await resources.subscriptions.change(await read(resources, one.id), SubscriptionChange(**fields))


def settled(claimed: ClaimedOutbox, **fields: Any) -> Settlement:
    """Settle the first of the claimed events."""
    first = claimed.events[0].sequence
    return Settlement(member=claimed.member, sequence=first, cursor=claimed.cursor, failures=claimed.failures, **fields)


async def waiting(resources: Resources, one: Registration) -> list[str]:
    return sorted(place.decode() for place in await resources.ledger.redis.zrange(one.partition.outbox, 0, -1))


async def with_a_lane(resources: Resources) -> Registration:
    """Subscribe to a call whose first event is retried much later, the third being the head."""
    one = await subscribed(resources, 3)
    claimed = await claim_one(resources, one.partition)
    later = resources.ledger.clock.now() + FAR_SECONDS
    passing = settled(claimed, verdict="pass", passed=1, cursor_after=2, retry_at=later)
    assert await settle(resources, one.partition, passing) == [Recorded.DONE_WITH_MORE]
    assert await waiting(resources, one) == [one.id, f"{one.id}/1"]
    return one
