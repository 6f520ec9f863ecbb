"""settle_deliveries.lua: a delivery that was passed goes on alone, holds nobody up, and is not forgotten."""

from app.resources import Resources
from app.store.watches import Recorded
from tests.builders import LIFE
from tests.store.making import claim, claim_one, delivered, failed, given_up, passed, put_off, read, settle, subscribed
from tests.store.polling import poll


async def test_what_was_passed_comes_on_its_own_and_the_others_go_on(resources: Resources) -> None:
    one = await subscribed(resources, polled=3)
    claimed = await claim_one(resources, one.partition)
    retry_at = resources.ledger.clock.now() + 30

    assert await settle(resources, one.partition, passed(claimed, retry_at=retry_at)) == [Recorded.DONE_WITH_MORE]

    [passing] = await claim(resources, one.partition)
    assert ([pending.sequence for pending in passing.events], passing.failures) == ([3], 0)
    await settle(resources, one.partition, delivered(passing))
    assert await claim(resources, one.partition, horizon=20) == []
    waiting = await claim_one(resources, one.partition)
    assert (waiting.member, waiting.own_lane, waiting.subscription_id) == (f"{one.id}/1", True, one.id)
    assert ([pending.sequence for pending in waiting.events], waiting.failures) == ([1], 0)
    await settle(resources, one.partition, failed(waiting, retry_at=retry_at))
    again = await claim_one(resources, one.partition)
    assert (again.own_lane, again.failures) == (True, 1)
    assert await settle(resources, one.partition, delivered(again)) == [Recorded.DONE]
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
    assert (await read(resources, one.id)).cursor == 3


async def test_what_was_passed_keeps_its_failures(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, failed(await claim_one(resources, one.partition), retry_at=now))
    await settle(resources, one.partition, passed(await claim_one(resources, one.partition), retry_at=now))

    assert (await claim_one(resources, one.partition)).failures == 1


async def test_a_late_record_of_one_that_was_passed_is_refused(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, passed(await claim_one(resources, one.partition), retry_at=now))
    [slow] = await claim(resources, one.partition, lease=0)
    [quick] = await claim(resources, one.partition)
    await settle(resources, one.partition, failed(quick, retry_at=now))

    late = await settle(resources, one.partition, delivered(slow), failed(slow, retry_at=now))

    assert late == [Recorded.STALE, Recorded.STALE]
    assert (await claim_one(resources, one.partition)).failures == 1


async def test_one_that_was_passed_does_not_hold_up_new_events(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    claimed = await claim_one(resources, one.partition)
    later = resources.ledger.clock.now() + 500
    assert await settle(resources, one.partition, passed(claimed, retry_at=later)) == [Recorded.DONE]

    await poll(resources, one.partition, LIFE[:3])

    [fresh] = await claim(resources, one.partition)
    assert [pending.sequence for pending in fresh.events] == [3]


async def test_a_new_event_hastens_a_head_that_fails_slowly(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    later = resources.ledger.clock.now() + 500
    await settle(resources, one.partition, put_off(await claim_one(resources, one.partition), "slow", retry_at=later))
    assert await claim(resources, one.partition) == []

    await poll(resources, one.partition, LIFE[:2])

    [hastened] = await claim(resources, one.partition)
    assert [pending.sequence for pending in hastened.events] == [1, 2]
    assert (hastened.failures, hastened.slow_due_at) == (1, round(later, 3))


async def test_a_new_event_does_not_hasten_a_first_retry(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    later = resources.ledger.clock.now() + 500
    await settle(resources, one.partition, failed(await claim_one(resources, one.partition), retry_at=later))

    await poll(resources, one.partition, LIFE[:2])

    assert await claim(resources, one.partition) == []


async def test_an_event_that_comes_while_the_head_is_being_tried_has_it_tried_again_at_once(
    resources: Resources,
) -> None:
    one = await subscribed(resources, polled=1)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, put_off(await claim_one(resources, one.partition), "slow", retry_at=now))
    trying = await claim_one(resources, one.partition)
    await poll(resources, one.partition, LIFE[:2])
    # It is leased: nobody else takes it.
    assert await claim(resources, one.partition) == []

    settled = await settle(resources, one.partition, put_off(trying, "slow", retry_at=now + 500))

    assert settled == [Recorded.DUE_ANEW]
    [again] = await claim(resources, one.partition)
    assert [pending.sequence for pending in again.events] == [1, 2]
    # Once: what came meanwhile is known now.
    await settle(resources, one.partition, put_off(again, "wait", retry_at=now + 500))
    assert await claim(resources, one.partition) == []


async def test_an_event_that_comes_while_a_first_retry_is_being_made_does_not_hasten_the_next(
    resources: Resources,
) -> None:
    one = await subscribed(resources, polled=1)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, put_off(await claim_one(resources, one.partition), "retry", retry_at=now))
    trying = await claim_one(resources, one.partition)
    await poll(resources, one.partition, LIFE[:2])

    settled = await settle(resources, one.partition, put_off(trying, "retry", retry_at=now + 500))

    assert settled == [Recorded.DONE]
    assert await claim(resources, one.partition) == []
    [again] = await claim(resources, one.partition, horizon=600)
    assert [pending.sequence for pending in again.events] == [1, 2]
    # What came meanwhile is forgotten with it: a later failure, a slow one, is not hastened by that either.
    assert await settle(resources, one.partition, put_off(again, "slow", retry_at=now + 500)) == [Recorded.DONE]


async def test_a_wait_counts_for_nothing(resources: Resources) -> None:
    one = await subscribed(resources)
    until = resources.ledger.clock.now() + 50
    first = await claim_one(resources, one.partition)

    assert await settle(resources, one.partition, put_off(first, "wait", retry_at=until)) == [Recorded.DONE]

    assert await claim(resources, one.partition, horizon=40) == []
    again = await claim_one(resources, one.partition)
    assert (again.cursor, again.failures, again.slow_due_at) == (first.cursor, first.failures, 0)


async def test_a_worker_that_goes_on_after_a_failure_keeps_its_lease(resources: Resources) -> None:
    one = await subscribed(resources)
    now = resources.ledger.clock.now()
    first = await claim_one(resources, one.partition)

    await settle(resources, one.partition, put_off(first, "slow", retry_at=now, lease=60))

    assert await claim(resources, one.partition, horizon=50) == []
    again = await claim_one(resources, one.partition)
    assert (again.failures, again.slow_due_at) == (1, round(now, 3))


async def test_what_is_delivered_makes_the_head_an_ordinary_one(resources: Resources) -> None:
    one = await subscribed(resources)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, put_off(await claim_one(resources, one.partition), "slow", retry_at=now))
    await settle(resources, one.partition, delivered(await claim_one(resources, one.partition)))

    following = await claim_one(resources, one.partition)

    assert (following.cursor, following.failures, following.slow_due_at) == (1, 0, 0)


async def test_what_is_given_up_is_kept_as_failed_and_the_next_goes_on(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    kept = await read(resources, one.id)

    assert await settle(resources, one.partition, given_up(await claim_one(resources, one.partition))) == [
        Recorded.DONE_WITH_MORE
    ]

    failed_ones = one.partition.failed(kept.tenant_id)
    assert await resources.ledger.redis.zrange(failed_ones, 0, -1) == [f"{one.id}/1".encode()]
    assert await resources.ledger.redis.pttl(failed_ones) > 0
    following = await claim_one(resources, one.partition)
    assert [pending.sequence for pending in following.events] == [2]


async def test_one_that_was_passed_can_be_given_up_too(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, passed(await claim_one(resources, one.partition), retry_at=now))

    await settle(resources, one.partition, given_up(await claim_one(resources, one.partition)))

    kept = await read(resources, one.id)
    assert await resources.ledger.redis.zrange(one.partition.failed(kept.tenant_id), 0, -1) == [f"{one.id}/1".encode()]
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
