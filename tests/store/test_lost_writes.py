"""A failover may lose what a replica had not got yet: what was claimed before is not recorded on what came after."""

from app.resources import Resources
from app.store.watches import Recorded
from tests.builders import LIFE
from tests.store.keys import everything, restore
from tests.store.making import register
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
