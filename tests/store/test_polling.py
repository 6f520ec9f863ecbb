"""claim_polls.lua, commit_polls.lua and release.lua: leased to one, recorded once and wholly."""

import asyncio
from typing import Any

import pytest

from app.domain.cadence import Failed, NotFound
from app.resources import Resources
from app.store.keys import Partition
from app.store.watches import Recorded
from tests.builders import LIFE, make_key
from tests.store.keys import lifetimes
from tests.store.making import URL, claim, read, register
from tests.store.polling import answered, claim_polls, poll, step_after

WATCH = make_key().watch_id


async def _kept(resources: Resources, partition: Partition) -> dict[str, Any]:
    """Return everything that a commit may change of the default call."""
    redis = resources.ledger.redis
    return {
        "watch": await redis.hgetall(partition.watch(WATCH)),
        "due": await redis.zrange(partition.due, 0, -1, withscores=True),
        "outbox": await redis.zrange(partition.outbox, 0, -1),
    }


async def test_what_is_claimed_is_nobody_elses_until_its_lease_ends(resources: Resources) -> None:
    partition = (await register(resources)).partition

    [claimed] = await claim_polls(resources, partition, horizon=0, lease=60)

    assert await claim_polls(resources, partition, horizon=0) == []
    assert await claim_polls(resources, partition, horizon=50) == []
    # The worker has died: once the lease is over, the call is due again.
    [again] = await claim_polls(resources, partition, horizon=61)
    assert (again.watch_id, again.version, again.watch) == (claimed.watch_id, claimed.version, claimed.watch)
    assert 59 < again.due_at - claimed.due_at < 61


async def test_a_lease_runs_from_when_a_call_is_due_or_from_now_if_that_is_later(resources: Resources) -> None:
    partition = (await register(resources)).partition
    redis, now = resources.ledger.redis, resources.ledger.clock.now()
    for due_at, expected in ((now + 30, now + 90), (now - 500, now + 60)):
        await redis.zadd(partition.due, {WATCH: due_at * 1000})

        [claimed] = await claim_polls(resources, partition, horizon=40, lease=60)

        assert abs(claimed.due_at - due_at) < 0.01
        assert abs(await redis.zscore(partition.due, WATCH) / 1000 - expected) < 5


async def test_many_workers_claim_each_call_once(resources: Resources) -> None:
    made = [await register(resources, call_sid=f"OUT-{number}") for number in range(40)]
    partitions = {one.partition.number: one.partition for one in made}.values()

    rounds = await asyncio.gather(
        *(claim_polls(resources, one, horizon=0, limit=3) for one in partitions for _ in range(30)),
    )

    claimed = [one.watch_id for claims in rounds for one in claims]
    assert len(claimed) == len(set(claimed)) == len(made)


async def test_no_more_is_claimed_than_asked_for_the_longest_due_first(resources: Resources) -> None:
    number = (await register(resources)).partition.number
    sids = [sid for i in range(200) if resources.subscriptions.partition_of_call(sid := f"OUT-{i}").number == number]
    partition = (await register(resources, call_sid=sids[0])).partition
    await register(resources, call_sid=sids[1])
    later = make_key(call_sid=sids[0]).watch_id
    await resources.ledger.redis.zincrby(partition.due, 1000, later)

    claimed = await claim_polls(resources, partition, limit=2)

    assert len(claimed) == 2
    assert later not in {one.watch_id for one in claimed}


async def test_a_call_whose_keys_have_expired_is_forgotten(resources: Resources) -> None:
    partition = (await register(resources)).partition
    await resources.ledger.redis.delete(partition.watch(WATCH))

    assert await claim_polls(resources, partition) == []
    assert await resources.ledger.redis.zcard(partition.due) == 0


async def test_a_poll_writes_state_events_outbox_and_the_next_poll_together(resources: Resources) -> None:
    registration = await register(resources)
    partition = registration.partition
    [claimed] = await claim_polls(resources, partition, horizon=0)
    step = step_after(claimed, answered(claimed, LIFE[:3]))

    assert await resources.watches.commit(partition, [step]) == [Recorded.DONE_WITH_MORE]

    kept = await resources.watches.read(partition, WATCH)
    assert kept is not None
    assert kept.watch == step.step.watch
    assert kept.events == step.step.events
    assert (kept.polls, round(kept.last_polled_at, 3)) == (1, round(step.polled_at, 3))
    assert 0 < kept.next_poll_at - step.polled_at < 100
    [waiting] = await claim(resources, partition)
    assert (waiting.member, [one.sequence for one in waiting.events]) == (registration.id, [1, 2, 3])


async def test_two_workers_with_one_claim_write_its_events_once(resources: Resources) -> None:
    partition = (await register(resources)).partition
    [first] = await claim_polls(resources, partition, lease=0)
    [second] = await claim_polls(resources, partition)
    await resources.watches.commit(partition, [step_after(first, answered(first, LIFE[:3]))])
    before = await _kept(resources, partition)

    late = await resources.watches.commit(partition, [step_after(second, answered(second, LIFE))])

    assert late == [Recorded.STALE]
    assert await _kept(resources, partition) == before


async def test_one_stale_record_does_not_hold_up_the_others_of_its_batch(resources: Resources) -> None:
    made = [await register(resources, call_sid=f"OUT-{number}") for number in range(12)]
    partition = made[0].partition
    claims = await claim_polls(resources, partition)
    steps = [step_after(one, answered(one, LIFE)) for one in claims]
    assert len(steps) >= 2
    await resources.watches.commit(partition, steps[:1])

    results = await resources.watches.commit(partition, steps)

    assert results == [Recorded.STALE] + [Recorded.DONE_WITH_MORE] * (len(steps) - 1)


async def test_an_answer_without_news_moves_the_schedule_only(resources: Resources) -> None:
    partition = (await register(resources)).partition
    await poll(resources, partition, LIFE[:3])
    before = await _kept(resources, partition)

    assert await poll(resources, partition, LIFE[:3]) == [Recorded.DONE]

    after = await _kept(resources, partition)
    moved = {name for name, value in after["watch"].items() if before["watch"].get(name) != value}
    assert moved == {b"v", b"p", b"n"}
    assert int(after["watch"][b"n"]) == 2
    assert after["due"][0][1] > before["due"][0][1]


async def test_of_two_polls_at_the_same_time_one_counts_also_without_news(resources: Resources) -> None:
    partition = (await register(resources)).partition
    await poll(resources, partition, LIFE[:3])
    [first] = await claim_polls(resources, partition, lease=0)
    [second] = await claim_polls(resources, partition)

    steps = [step_after(one, answered(one, LIFE[:3])) for one in (first, second)]

    assert await resources.watches.commit(partition, steps) == [Recorded.DONE, Recorded.STALE]


async def test_a_failure_is_kept_without_an_event(resources: Resources) -> None:
    partition = (await register(resources)).partition

    assert await poll(resources, partition, Failed("http_500")) == [Recorded.DONE]

    kept = await resources.watches.read(partition, WATCH)
    assert kept is not None
    assert (kept.watch.trouble.failures, kept.events) == (1, ())
    assert kept.next_poll_at > 0


@pytest.mark.parametrize("end", [LIFE, NotFound()], ids=["completed", "lost"])
async def test_a_final_event_ends_polling_and_leaves_the_retention_time(resources: Resources, end: Any) -> None:
    registration = await register(resources)
    partition = registration.partition

    await poll(resources, partition, end)

    assert await claim_polls(resources, partition) == []
    final = (await read(resources, registration.id)).final_event
    assert final == ("call.completed" if end is LIFE else "call.lost")
    retention = resources.settings.retention_seconds * 1000
    left = await lifetimes(resources)
    for name in (partition.watch(WATCH), partition.registrations(WATCH)):
        assert retention - 60_000 < left[name] <= retention
    for name in (partition.subscription(registration.id), partition.line(WATCH)):
        assert left[name] >= left[partition.watch(WATCH)]


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([], True),
        (["call.*"], True),
        (["call.ringing"], True),
        (["call.completed", "call.queued"], True),
        (["final"], False),
        (["call.completed"], False),
        (["call.ring"], False),
        (["call.ringing_again"], False),
        (["call.in_progress"], False),
    ],
)
async def test_only_those_who_want_one_of_the_events_have_something_to_deliver(
    resources: Resources, events: list[str], wanted: bool
) -> None:
    registration = await register(resources, events=events)

    [recorded] = await poll(resources, registration.partition, LIFE[:3])

    assert recorded == (Recorded.DONE_WITH_MORE if wanted else Recorded.DONE)
    members = [one.member for one in await claim(resources, registration.partition)]
    assert members == ([registration.id] if wanted else [])


@pytest.mark.parametrize("end", [LIFE[3:], NotFound()], ids=["completed", "lost"])
async def test_who_wants_only_the_end_gets_the_end(resources: Resources, end: Any) -> None:
    registration = await register(resources, events=["final"])
    await poll(resources, registration.partition, LIFE[:3])

    await poll(resources, registration.partition, LIFE if end == LIFE[3:] else end)

    [claimed] = await claim(resources, registration.partition)
    assert claimed.member == registration.id
    assert [one.event.final for one in claimed.events].count(True) == 1
    assert claimed.events[-1].event.final


async def test_one_commit_reaches_every_subscriber_and_no_cancelled_one(resources: Resources) -> None:
    made = [await register(resources, url=f"{URL}/{number}") for number in range(50)]
    await register(resources, tenant_id="ten_other", events=["call.completed"])
    gone = await read(resources, made[0].id)
    await resources.subscriptions.end(gone, gone.status.CANCELLED)

    await poll(resources, made[0].partition, LIFE[:2])

    claims = await claim(resources, made[0].partition)
    assert {one.member for one in claims} == {one.id for one in made[1:]}


async def test_new_events_do_not_shorten_the_lease_of_a_delivery_under_way(resources: Resources) -> None:
    registration = await register(resources)
    await poll(resources, registration.partition, LIFE[:2])
    await claim(resources, registration.partition, lease=100)

    assert await poll(resources, registration.partition, LIFE[:3]) == [Recorded.DONE_WITH_MORE]

    assert await claim(resources, registration.partition) == []


async def test_what_is_given_back_is_due_as_before(resources: Resources) -> None:
    partition = (await register(resources)).partition
    claims = await claim_polls(resources, partition, horizon=0)

    await resources.watches.release(partition, claims)

    assert await claim_polls(resources, partition, horizon=0) == claims


async def test_giving_back_what_has_ended_meanwhile_brings_nothing_back(resources: Resources) -> None:
    registration = await register(resources)
    claims = await claim_polls(resources, registration.partition)
    gone = await read(resources, registration.id)
    await resources.subscriptions.end(gone, gone.status.CANCELLED)

    await resources.watches.release(registration.partition, claims)
    await resources.watches.commit(registration.partition, [step_after(one, answered(one, LIFE[:2])) for one in claims])

    assert await claim_polls(resources, registration.partition) == []


async def test_what_is_due_is_counted_per_partition(resources: Resources) -> None:
    made = [await register(resources, call_sid=f"OUT-{number}") for number in range(10)]
    partitions = [one.partition for one in made]

    counts = await resources.watches.count_due(partitions, 1.0)

    expected = [sum(one.partition is partition for one in made) for partition in partitions]
    assert counts == expected
    assert await resources.watches.count_due(partitions, -1000.0) == [0] * 10
