"""claim_deliveries.lua and settle_deliveries.lua: in order, leased to one, and nothing forgotten."""

import asyncio
from dataclasses import replace

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.deliveries import LoggedAttempt, Settlement
from app.store.watches import Recorded
from tests.builders import LIFE, make_key
from tests.store.keys import log_of
from tests.store.making import (
    TENANT,
    URL,
    claim,
    claim_one,
    delivered,
    failed,
    passed,
    read,
    register,
    settle,
    subscribed,
)
from tests.store.polling import poll

WATCH = make_key().watch_id
STATUSES = [status for status, _ in LIFE]


async def test_a_claim_brings_all_that_a_delivery_needs(resources: Resources) -> None:
    one = await subscribed(resources)

    claimed = await claim_one(resources, one.partition)

    assert (claimed.member, claimed.subscription_id, claimed.own_lane) == (one.id, one.id, False)
    assert (claimed.tenant_id, claimed.cursor, claimed.failures) == (TENANT, 0, 0)
    assert (claimed.destination.callback_url, claimed.destination.metadata) == (URL, {"deal": "4711"})
    key = make_key()
    assert (claimed.call.account_id, claimed.call.project_id, claimed.call.call_sid) == (
        key.account_id, key.project_id, key.call_sid,
    )  # fmt: skip
    assert [one.event.status for one in claimed.events] == STATUSES
    assert [one.sequence for one in claimed.events] == [1, 2, 3, 4, 5]


async def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(resources: Resources) -> None:
    one = await subscribed(resources)

    [claimed] = await claim(resources, one.partition, lease=60)

    assert await claim(resources, one.partition, horizon=50) == []
    [again] = await claim(resources, one.partition, horizon=61)
    assert (again.member, again.cursor, again.events) == (claimed.member, claimed.cursor, claimed.events)


async def test_many_workers_claim_each_subscription_once(resources: Resources) -> None:
    made = [await register(resources, url=f"{URL}/{number}") for number in range(60)]
    await poll(resources, made[0].partition)

    rounds = await asyncio.gather(*(claim(resources, made[0].partition, limit=4) for _ in range(40)))

    claimed = [one.member for claims in rounds for one in claims]
    assert len(claimed) == len(set(claimed)) == len(made)


async def test_subscribers_at_one_cursor_share_the_events_that_are_read(resources: Resources) -> None:
    made = [await register(resources, url=f"{URL}/{number}") for number in range(3)]
    partition = made[0].partition
    await poll(resources, partition, LIFE[:2])
    first = (await claim(resources, partition, lease=0, limit=1))[0]
    await settle(resources, partition, delivered(first))

    claims = await claim(resources, partition)

    by_cursor = {one.cursor: one for one in claims}
    assert sorted(one.cursor for one in claims) == [0, 0, 1]
    assert [one.sequence for one in by_cursor[1].events] == [2]
    ahead = [one for one in claims if one.cursor == 0]
    assert ahead[0].events is ahead[1].events


async def test_events_are_handed_out_in_order_a_few_at_a_time(resources: Resources) -> None:
    one = await subscribed(resources)
    seen = []

    while claims := await claim(resources, one.partition, events_each=2):
        seen += [pending.event.status for pending in claims[0].events]
        recorded = await settle(resources, one.partition, delivered(claims[0], events=len(claims[0].events)))
        assert recorded == [Recorded.DONE_WITH_MORE if len(seen) < 5 else Recorded.DONE]

    assert seen == STATUSES
    assert (await read(resources, one.id)).cursor == 5
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0


async def test_a_worker_that_goes_on_keeps_the_subscription_leased(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)

    await settle(resources, one.partition, delivered(claimed, lease=60))

    assert await claim(resources, one.partition, horizon=50) == []
    [again] = await claim(resources, one.partition, horizon=61)
    assert again.cursor == 1


async def test_an_event_that_comes_during_an_attempt_is_not_forgotten(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    claimed = await claim_one(resources, one.partition)
    await poll(resources, one.partition, LIFE[:3])

    recorded = await settle(resources, one.partition, delivered(claimed, events=2))

    assert recorded == [Recorded.DONE_WITH_MORE]
    [following] = await claim(resources, one.partition)
    assert [pending.event.status for pending in following.events] == ["ringing"]


async def test_a_failure_is_tried_again_when_it_was_said_and_not_before(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)
    retry_at = resources.ledger.clock.now() + 30

    assert await settle(resources, one.partition, failed(claimed, retry_at=retry_at)) == [Recorded.DONE]

    assert await claim(resources, one.partition, horizon=20) == []
    again = await claim_one(resources, one.partition)
    assert (again.cursor, again.failures, again.events) == (0, 1, claimed.events)
    assert abs(again.due_at - retry_at) < 0.01


async def test_the_failures_of_one_event_are_not_those_of_the_next(resources: Resources) -> None:
    one = await subscribed(resources)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, failed(await claim_one(resources, one.partition), retry_at=now))

    await settle(resources, one.partition, delivered(await claim_one(resources, one.partition)))

    following = await claim_one(resources, one.partition)
    assert (following.cursor, following.failures) == (1, 0)


async def test_a_late_record_changes_nothing_but_the_log(resources: Resources) -> None:
    one = await subscribed(resources)
    [slow] = await claim(resources, one.partition, lease=0)
    [quick] = await claim(resources, one.partition)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, delivered(quick))

    late = await settle(
        resources, one.partition, delivered(slow), failed(slow, retry_at=now), passed(slow, retry_at=now)
    )

    assert late == [Recorded.STALE] * 3
    kept = await read(resources, one.id)
    assert kept.cursor == 1
    assert await resources.ledger.redis.zrange(one.partition.outbox, 0, -1) == [one.id.encode()]
    assert len(await log_of(resources, one.id)) == 4


async def test_a_late_failure_does_not_count_twice(resources: Resources) -> None:
    one = await subscribed(resources)
    [slow] = await claim(resources, one.partition, lease=0)
    [quick] = await claim(resources, one.partition)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, failed(quick, retry_at=now))

    assert await settle(resources, one.partition, failed(slow, retry_at=now)) == [Recorded.STALE]

    assert (await claim_one(resources, one.partition)).failures == 1


async def test_each_record_of_a_batch_stands_for_itself(resources: Resources) -> None:
    made = [await register(resources, url=f"{URL}/{number}") for number in range(3)]
    partition = made[0].partition
    await poll(resources, partition)
    claims = {one.member: one for one in await claim(resources, partition)}
    first, second, third = (claims[one.id] for one in made)
    await settle(resources, partition, delivered(second))

    recorded = await settle(resources, partition, delivered(first, events=5), delivered(second), delivered(third))

    assert recorded == [Recorded.DONE, Recorded.STALE, Recorded.DONE_WITH_MORE]


async def test_what_is_given_back_is_due_as_before(resources: Resources) -> None:
    one = await subscribed(resources)
    claims = await claim(resources, one.partition)

    await resources.deliveries.release(one.partition, claims)

    assert [replace(again, claimed_at=0) for again in await claim(resources, one.partition)] == [
        replace(one, claimed_at=0) for one in claims
    ]
    assert await resources.deliveries.count_due([one.partition], 1000) == [1]


async def test_an_unreadable_record_harms_nobody_else(resources: Resources) -> None:
    by_partition: dict[int, list[str]] = {}
    for number in range(9):
        made = await register(resources, call_sid=f"OUT-{number}")
        by_partition.setdefault(made.partition.number, []).append(made.id)
    bad_event, bad_body, well = next(group for group in by_partition.values() if len(group) >= 3)[:3]
    partition = resources.subscriptions.partition_of(well)
    assert partition is not None
    await poll(resources, partition, LIFE[:2])
    broken = await read(resources, bad_event)
    await resources.ledger.redis.hset(partition.watch(broken.watch_id), "1", b"\x09of a newer Ringback")
    await resources.ledger.redis.hset(partition.subscription(bad_body), "b", b"\x09of a newer Ringback")

    claims = await claim(resources, partition)

    assert well in {one.member for one in claims}
    assert not {bad_event, bad_body} & {one.member for one in claims}
    # They are left to their leases, for a newer worker to take.
    members = {one.decode() for one in await resources.ledger.redis.zrange(partition.outbox, 0, -1)}
    assert {bad_event, bad_body} <= members


async def test_the_end_of_a_call_leaves_its_subscription_something_to_deliver(resources: Resources) -> None:
    one = await subscribed(resources)

    assert (await read(resources, one.id)).status is SubscriptionStatus.COMPLETED
    claimed = await claim_one(resources, one.partition)
    assert claimed.events[-1].event.final
    logged = LoggedAttempt(5, claimed.due_at, 0, "timeout", 15_000, b"\xff\x00", "retry")
    assert await settle(
        resources,
        one.partition,
        Settlement(one.id, 1, 0, 0, "done", logged, cursor_after=5),
    ) == [Recorded.DONE]
