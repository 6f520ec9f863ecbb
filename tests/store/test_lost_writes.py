"""A failover or a power loss may take the last writes back: what was claimed before is not recorded on what came after.

What is left is what was there at some moment before: the writes that are lost are the last ones of that Redis.
"""

import pytest

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.deliveries import ClaimedOutbox, Settlement
from app.store.redelivery import Redelivered, RedeliveryStore, Replay
from app.store.subscriptions import Changed, SubscriptionChange
from app.store.watches import Recorded
from tests.builders import LIFE
from tests.store.keys import everything, restore
from tests.store.making import claim_one, delivered, failed, passed, read, register, settle
from tests.store.polling import answered, claim_polls, poll, step_after


async def test_a_poll_that_was_lost_and_another_in_its_place_are_not_taken_for_the_same(resources: Resources) -> None:
    partition = (await register(resources)).partition
    replica = await everything(resources)
    assert await poll(resources, partition, LIFE[:1]) == [Recorded.DONE_WITH_MORE]
    [claimed] = await claim_polls(resources, partition)

    await restore(resources, replica)
    assert await poll(resources, partition, LIFE[:2]) == [Recorded.DONE_WITH_MORE]

    # It has seen one event, and would write the second again.
    step = step_after(claimed, answered(claimed, LIFE[:3]))
    assert await resources.watches.commit(partition, [step]) == [Recorded.STALE]


def _told(claimed: ClaimedOutbox, verdict: str) -> Settlement:
    match verdict:
        case "delivered":
            return delivered(claimed)
        case "passed":
            return passed(claimed, retry_at=claimed.due_at + 60)
    return failed(claimed, retry_at=claimed.due_at + 60)


@pytest.mark.parametrize("verdict", ["delivered", "passed", "failed"])
async def test_the_delivery_of_an_event_that_was_lost_is_no_delivery_of_the_one_in_its_place(
    resources: Resources, verdict: str
) -> None:
    """An entry that came late may stand where the lost event stood when its history is read again."""
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:1])
    await settle(resources, one.partition, delivered(await claim_one(resources, one.partition)))
    replica = await everything(resources)
    await poll(resources, one.partition, LIFE[:3])
    claimed = await claim_one(resources, one.partition)
    assert [pending.sequence for pending in claimed.events] == [2, 3]

    await restore(resources, replica)
    recorded = await settle(resources, one.partition, _told(claimed, verdict))

    assert recorded == [Recorded.STALE]
    await poll(resources, one.partition, LIFE[:4])
    again = await claim_one(resources, one.partition)
    assert [pending.sequence for pending in again.events] == [2, 3, 4]
    assert again.failures == 0


async def test_nothing_brings_a_registration_back_that_was_lost(resources: Resources) -> None:
    replica = await everything(resources)
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:2])
    [polled] = await claim_polls(resources, one.partition)
    claimed = await claim_one(resources, one.partition)
    known = await read(resources, one.id)

    await restore(resources, replica)
    step = step_after(polled, answered(polled, LIFE))
    assert await resources.watches.commit(one.partition, [step]) == [Recorded.STALE]
    assert await settle(resources, one.partition, delivered(claimed)) == [Recorded.STALE]
    await resources.watches.release(one.partition, [polled])
    await resources.deliveries.release(one.partition, [claimed])
    assert not await resources.subscriptions.end(known, SubscriptionStatus.CANCELLED)
    assert await resources.subscriptions.change(known, SubscriptionChange(paused=False)) is Changed.NOT_THERE
    wish = Replay(one.id, 1)
    redelivery = RedeliveryStore(resources.ledger)
    assert await redelivery.replay(one.partition, known.tenant_id, [wish]) == [Redelivered.GONE]

    assert await everything(resources) == replica
    assert (await register(resources)).created
