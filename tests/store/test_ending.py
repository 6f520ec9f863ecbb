"""end_subscription.lua: nothing more is sent, and a call that nobody wants is not polled."""

from collections.abc import Callable

import pytest

from app.domain.cadence import NotFound, PollAgain
from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.deliveries import Settlement
from app.store.registrations import Registration
from app.store.watches import Recorded
from tests.builders import LIFE, make_key
from tests.store.keys import log_of
from tests.store.making import URL, attempt, claim, claim_one, failed, passed, read, register, settle
from tests.store.polling import answered, claim_polls, poll, step_after

WATCH = make_key().watch_id
CANCELLED = SubscriptionStatus.CANCELLED


async def _end(resources: Resources, one: Registration, status: SubscriptionStatus = CANCELLED) -> bool:
    return await resources.subscriptions.end(await read(resources, one.id), status)


async def test_the_last_one_to_go_stops_the_polling(resources: Resources) -> None:
    first, second = await register(resources), await register(resources, url=f"{URL}/second")

    assert await _end(resources, first)
    assert len(await claim_polls(resources, first.partition, lease=0)) == 1
    assert await _end(resources, second)

    assert await claim_polls(resources, first.partition) == []
    assert (await read(resources, first.id)).status is CANCELLED


async def test_who_comes_back_wakes_the_call_up_where_it_was(resources: Resources) -> None:
    first = await register(resources)
    await poll(resources, first.partition, LIFE[:2])
    await _end(resources, first)

    again = await register(resources)

    assert (again.created, again.deliver_now) == (True, True)
    assert again.id != first.id
    [claimed] = await claim_polls(resources, first.partition)
    assert claimed.watch.snapshot.latest == "queued"
    assert [one.member for one in await claim(resources, first.partition)] == [again.id]


async def test_who_comes_back_has_the_call_followed_for_as_long_as_any(resources: Resources) -> None:
    first = await register(resources)
    [before] = await claim_polls(resources, first.partition, lease=0)
    await _end(resources, first)

    await register(resources)

    [after] = await claim_polls(resources, first.partition)
    assert after.watch.registered_at > before.watch.registered_at


async def test_who_comes_back_does_not_hasten_the_pace(resources: Resources) -> None:
    first = await register(resources)
    await poll(resources, first.partition, LIFE[:2])
    due = await resources.ledger.redis.zscore(first.partition.due, WATCH)
    await _end(resources, first)

    again = await register(resources)

    assert not again.poll_now
    assert await resources.ledger.redis.zscore(first.partition.due, WATCH) == due


async def test_who_comes_back_during_a_poll_does_not_start_a_second_one(resources: Resources) -> None:
    first = await register(resources)
    [claimed] = await claim_polls(resources, first.partition)
    await _end(resources, first)
    step = step_after(claimed, answered(claimed, LIFE[:2]))
    assert await resources.watches.commit(first.partition, [step]) == [Recorded.DONE]
    assert isinstance(step.step.following, PollAgain)

    await register(resources)

    due = await resources.ledger.redis.zscore(first.partition.due, WATCH)
    assert due == round(step.step.following.at * 1000)


async def test_a_poll_from_before_somebody_came_back_does_not_end_the_call(resources: Resources) -> None:
    """What it goes by, such as how long the call has been followed, ended with the one who left."""
    first = await register(resources)
    [claimed] = await claim_polls(resources, first.partition)
    lease_ends = await resources.ledger.redis.zscore(first.partition.due, WATCH)
    await _end(resources, first)
    again = await register(resources)

    late = await resources.watches.commit(first.partition, [step_after(claimed, NotFound())])

    assert late == [Recorded.STALE]
    assert (await read(resources, again.id)).final_event is None
    assert await resources.ledger.redis.zscore(first.partition.due, WATCH) == lease_ends
    [anew] = await claim_polls(resources, first.partition)
    assert await resources.watches.commit(first.partition, [step_after(anew, NotFound())]) == [Recorded.DONE_WITH_MORE]


async def test_the_change_of_status_is_dated(resources: Resources) -> None:
    one = await register(resources)
    await _end(resources, one)
    destination = (await read(resources, one.id)).destination
    assert destination.updated_at >= destination.created_at
    assert await resources.ledger.redis.hexists(one.partition.subscription(one.id), "u")


async def test_it_ends_once(resources: Resources) -> None:
    one = await register(resources)

    assert await _end(resources, one, SubscriptionStatus.DISABLED)
    assert not await _end(resources, one, CANCELLED)

    assert (await read(resources, one.id)).status is SubscriptionStatus.DISABLED


async def test_what_was_waiting_is_not_sent_any_more(resources: Resources) -> None:
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:3])
    claimed = await claim_one(resources, one.partition)
    now = resources.ledger.clock.now()
    await settle(resources, one.partition, passed(claimed, retry_at=now))
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 2

    await _end(resources, one)

    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
    assert await claim(resources, one.partition, horizon=1000) == []
    await poll(resources, one.partition, LIFE)
    assert await claim(resources, one.partition, horizon=1000) == []


@pytest.mark.parametrize("ending", [CANCELLED, SubscriptionStatus.DISABLED])
@pytest.mark.parametrize("record", [failed, passed])
async def test_an_attempt_that_was_under_way_brings_nothing_back(
    resources: Resources, ending: SubscriptionStatus, record: Callable[..., Settlement]
) -> None:
    one = await register(resources)
    await register(resources, url=f"{URL}/stays")
    await poll(resources, one.partition, LIFE[:3])
    claims = {claimed.member: claimed for claimed in await claim(resources, one.partition)}

    await _end(resources, one, ending)
    await settle(resources, one.partition, record(claims[one.id], retry_at=resources.ledger.clock.now()))

    waiting = await resources.ledger.redis.zrange(one.partition.outbox, 0, -1)
    assert not [place for place in waiting if place.decode().startswith(one.id)]
    assert (await read(resources, one.id)).status is ending


async def test_a_place_of_one_that_has_ended_is_cleared_away(resources: Resources) -> None:
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:3])
    await _end(resources, one)
    await resources.ledger.redis.zadd(one.partition.outbox, {one.id: 0})

    assert await claim(resources, one.partition) == []

    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0


async def test_the_attempt_that_ended_it_is_kept(resources: Resources) -> None:
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:2])
    claimed = await claim_one(resources, one.partition)
    logged = attempt(claimed, status_code=410).pack()

    await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.DISABLED, logged)

    assert await log_of(resources, one.id) == [logged]


async def test_a_completed_one_can_be_cancelled_and_the_call_stays_ended(resources: Resources) -> None:
    one = await register(resources)
    await poll(resources, one.partition)

    assert await _end(resources, one)

    kept = await read(resources, one.id)
    assert (kept.status, kept.final_event) == (CANCELLED, "call.completed")
    assert not (await register(resources)).poll_now


async def test_one_that_has_expired_cannot_be_ended_back_into_being(resources: Resources) -> None:
    one = await register(resources)
    kept = await read(resources, one.id)
    await resources.ledger.redis.delete(one.partition.subscription(one.id))

    assert not await resources.subscriptions.end(kept, CANCELLED, b"attempt")

    assert await resources.subscriptions.get(one.id) is None
    assert not await resources.ledger.redis.exists(one.partition.subscription(one.id), one.partition.log(one.id))
