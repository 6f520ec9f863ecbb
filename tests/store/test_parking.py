"""settle_deliveries.lua: a delivery that leaves the fast lane holds nobody up, and is not forgotten."""

from app.resources import Resources
from app.store.watches import Recorded
from tests.builders import LIFE
from tests.store.making import claim, claim_one, delivered, failed, parked, read, settle, subscribed
from tests.store.polling import poll


async def test_a_parked_delivery_lets_the_others_pass_and_comes_on_its_own(resources: Resources) -> None:
    one = await subscribed(resources, polled=3)
    claimed = await claim_one(resources, one.partition)
    retry_at = resources.ledger.clock.now() + 30

    assert await settle(resources, one.partition, parked(claimed, retry_at=retry_at)) == [Recorded.DONE_WITH_MORE]

    [passing] = await claim(resources, one.partition)
    assert ([pending.sequence for pending in passing.events], passing.failures) == ([2, 3], 0)
    await settle(resources, one.partition, delivered(passing, events=2))
    assert await claim(resources, one.partition, horizon=20) == []
    waiting = await claim_one(resources, one.partition)
    assert (waiting.member, waiting.parked, waiting.subscription_id) == (f"{one.id}/1", True, one.id)
    assert ([pending.sequence for pending in waiting.events], waiting.failures) == ([1], 1)
    await settle(resources, one.partition, failed(waiting, retry_at=retry_at))
    again = await claim_one(resources, one.partition)
    assert (again.parked, again.failures) == (True, 2)
    assert await settle(resources, one.partition, delivered(again)) == [Recorded.DONE]
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
    assert (await read(resources, one.id)).cursor == 3


async def test_a_late_record_of_a_parked_delivery_is_refused(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, parked(await claim_one(resources, one.partition), retry_at=now))
    [slow] = await claim(resources, one.partition, lease=0)
    [quick] = await claim(resources, one.partition)
    await settle(resources, one.partition, failed(quick, retry_at=now))

    late = await settle(resources, one.partition, delivered(slow), failed(slow, retry_at=now))

    assert late == [Recorded.STALE, Recorded.STALE]
    assert (await claim_one(resources, one.partition)).failures == 2


async def test_a_parked_delivery_does_not_hold_up_new_events(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    claimed = await claim_one(resources, one.partition)
    later = resources.ledger.clock.now() + 500
    assert await settle(resources, one.partition, parked(claimed, retry_at=later)) == [Recorded.DONE]

    await poll(resources, one.partition, LIFE[:2])

    [fresh] = await claim(resources, one.partition)
    assert [pending.sequence for pending in fresh.events] == [2]
