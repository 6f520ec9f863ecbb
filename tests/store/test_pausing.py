"""A paused subscription sends nothing and loses nothing; see change_subscription.lua."""

from typing import Any

import pytest

from app.domain.subscription import event_filter
from app.resources import Resources
from app.store.subscriptions import Changed
from app.store.watches import Recorded
from tests.builders import make_key
from tests.store.changing import FAR_SECONDS, change, settled, waiting, with_a_lane
from tests.store.making import URL, claim, claim_one, read, register, settle, subscribed
from tests.store.polling import claim_polls, poll

WATCH = make_key().watch_id


async def test_paused_nothing_is_due_and_resumed_everything_is(resources: Resources) -> None:
    one = await with_a_lane(resources)

    assert await change(resources, one, paused=True) is Changed.DONE
    assert await waiting(resources, one) == []
    await poll(resources, one.partition)
    assert await claim(resources, one.partition, horizon=FAR_SECONDS) == []
    assert await change(resources, one, paused=False) is Changed.DONE_WITH_MORE

    claims = {claimed.member: claimed for claimed in await claim(resources, one.partition)}
    assert sorted(claims) == [one.id, f"{one.id}/1"]
    assert [pending.sequence for pending in claims[one.id].events] == [3, 4, 5]
    assert [pending.sequence for pending in claims[f"{one.id}/1"].events] == [1]


async def test_resuming_brings_a_retry_forward_and_keeps_its_count(resources: Resources) -> None:
    one = await subscribed(resources, 1)
    retry = settled(
        await claim_one(resources, one.partition),
        verdict="retry",
        retry_at=resources.ledger.clock.now() + FAR_SECONDS,
    )
    await settle(resources, one.partition, retry)

    await change(resources, one, paused=True)
    await change(resources, one, paused=False)

    [claimed] = await claim(resources, one.partition)
    assert (claimed.failures, claimed.events[0].sequence) == (1, 1)


async def test_resuming_brings_forward_what_failed_while_paused(resources: Resources) -> None:
    one = await subscribed(resources, 1)
    claimed = await claim_one(resources, one.partition)
    later = resources.ledger.clock.now() + FAR_SECONDS

    await change(resources, one, paused=True)
    await settle(resources, one.partition, settled(claimed, verdict="retry", retry_at=later))
    assert await change(resources, one, paused=False) is Changed.DONE_WITH_MORE

    [again] = await claim(resources, one.partition)
    assert (again.failures, again.events[0].sequence) == (1, 1)


async def test_resuming_with_nothing_to_deliver_queues_nothing(resources: Resources) -> None:
    one = await register(resources)
    await change(resources, one, paused=True)

    assert await change(resources, one, paused=False) is Changed.DONE

    assert await waiting(resources, one) == []


async def test_an_attempt_under_way_is_not_made_twice_by_pausing_and_resuming(resources: Resources) -> None:
    one = await subscribed(resources, 2)
    claimed = await claim_one(resources, one.partition)

    await change(resources, one, paused=True)
    assert await change(resources, one, paused=False) is Changed.DONE

    assert await claim(resources, one.partition) == []
    done = settled(claimed, verdict="done", cursor_after=1)
    assert await settle(resources, one.partition, done) == [Recorded.DUE_ANEW]
    [following] = await claim(resources, one.partition)
    assert [pending.sequence for pending in following.events] == [2]


async def test_an_attempt_under_way_while_paused_is_recorded_and_nothing_follows_it(resources: Resources) -> None:
    one = await subscribed(resources, 2)
    claimed = await claim_one(resources, one.partition)
    await change(resources, one, paused=True)

    done = settled(claimed, verdict="done", cursor_after=1)
    assert await settle(resources, one.partition, done) == [Recorded.DONE]

    assert (await read(resources, one.id)).cursor == 1
    assert await claim(resources, one.partition, horizon=FAR_SECONDS) == []
    await change(resources, one, paused=False)
    [following] = await claim(resources, one.partition)
    assert [pending.sequence for pending in following.events] == [2]


async def test_a_paused_one_keeps_its_call_polled(resources: Resources) -> None:
    one = await register(resources)

    await change(resources, one, paused=True)

    assert [claimed.watch_id for claimed in await claim_polls(resources, one.partition)] == [WATCH]


@pytest.mark.parametrize("fields", [{"callback_url": f"{URL}/new"}, {"events": event_filter(["call.*", "final"])}])
async def test_a_change_while_paused_makes_nothing_due(resources: Resources, fields: dict[str, Any]) -> None:
    one = await with_a_lane(resources)
    await change(resources, one, paused=True)

    assert await change(resources, one, **fields) is Changed.DONE

    assert await waiting(resources, one) == []
