"""retry_delivery.lua and replay.lua: sent again with the whole schedule, in order where there is one."""

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.redelivery import Redelivered, RedeliveryStore, Replay, Retry
from app.store.subscriptions import SubscriptionChange
from app.store.watches import Recorded
from tests.builders import LIFE, make_key
from tests.store.keys import lifetimes
from tests.store.making import TENANT, claim, claim_one, delivered, read, settle, subscribed
from tests.store.polling import poll
from tests.store.sending import (
    arrive,
    delivery_of,
    fail,
    give_up,
    overtake,
    partition_of,
    queue_of,
    score,
    statuses,
    take,
)

WATCH = make_key().watch_id


async def _retry(resources: Resources, subscription_id: str, sequence: int, wait: float = 0.0) -> Redelivered:
    queue = await queue_of(resources, subscription_id)
    head = queue.standing.cursor if queue.head == sequence else None
    wish = Retry(subscription_id, sequence, head, wait)
    partition = partition_of(resources, subscription_id)
    [result] = await RedeliveryStore(resources.ledger).retry(partition, TENANT, [wish])
    return result


async def _replay(resources: Resources, subscription_id: str, first: int, cursor: int | None = None) -> Redelivered:
    wish = Replay(subscription_id, first, cursor)
    partition = partition_of(resources, subscription_id)
    [result] = await RedeliveryStore(resources.ledger).replay(partition, TENANT, [wish])
    return result


async def _failed(resources: Resources, subscription_id: str) -> list[str]:
    name = partition_of(resources, subscription_id).failed(TENANT)
    return [one.decode() for one in await resources.ledger.redis.zrange(name, 0, -1)]


async def _pause(resources: Resources, subscription_id: str, *, paused: bool = True) -> None:
    await resources.subscriptions.change(await read(resources, subscription_id), SubscriptionChange(paused=paused))


async def test_a_failed_delivery_is_due_now_with_no_failures(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id)
    await give_up(resources, one.id)
    await arrive(resources, one.id, 3)

    assert await _retry(resources, one.id, 2) is Redelivered.DONE

    assert (await delivery_of(resources, one.id, 2)).status.value == "pending"
    assert await _failed(resources, one.id) == []
    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures, claimed.own_lane) == (f"{one.id}/2", 0, True)
    assert [pending.sequence for pending in claimed.events] == [2]
    await arrive(resources, claimed.member)
    assert await statuses(resources, one.id) == dict.fromkeys((5, 4, 3, 2, 1), "delivered")


async def test_a_delivered_one_is_sent_once_more(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id, 5)

    assert await _retry(resources, one.id, 3, wait=50) is Redelivered.DONE

    assert await claim(resources, one.partition, horizon=40) == []
    assert (await claim_one(resources, one.partition)).member == f"{one.id}/3"


async def test_the_head_forgets_its_failures_and_is_due_now(resources: Resources) -> None:
    one = await subscribed(resources)
    await fail(resources, one.id)
    await fail(resources, one.id)
    await resources.ledger.redis.hset(one.partition.subscription(one.id), mapping={"n": 1, "h": 1})

    assert await _retry(resources, one.id, 1) is Redelivered.DONE

    assert await resources.ledger.redis.hmget(one.partition.subscription(one.id), "n", "h") == [None, None]
    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures, claimed.cursor) == (one.id, 0, 0)


async def test_one_behind_the_head_only_makes_the_head_due(resources: Resources) -> None:
    one = await subscribed(resources)
    await fail(resources, one.id)

    assert await _retry(resources, one.id, 3) is Redelivered.DONE

    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures, claimed.cursor) == (one.id, 1, 0)


async def test_a_head_that_has_moved_meanwhile_keeps_its_failures(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id)
    await fail(resources, one.id)

    stale = Retry(one.id, 2, head_behind=0)
    assert await RedeliveryStore(resources.ledger).retry(one.partition, TENANT, [stale]) == [Redelivered.DONE]

    [claimed] = await claim(resources, one.partition)
    assert claimed.failures == 1


async def test_one_in_its_own_lane_begins_anew(resources: Resources) -> None:
    one = await subscribed(resources)
    await overtake(resources, one.id)
    await fail(resources, f"{one.id}/1")
    await arrive(resources, one.id, 3)

    assert await _retry(resources, one.id, 1) is Redelivered.DONE

    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures) == (f"{one.id}/1", 0)


async def test_what_is_being_tried_is_left_alone(resources: Resources) -> None:
    one = await subscribed(resources)
    await overtake(resources, one.id)
    for member in (one.id, f"{one.id}/1"):
        await fail(resources, member)
        claimed = await take(resources, member)
        leased = await score(resources, member)

        assert await _retry(resources, one.id, claimed.events[0].sequence) is Redelivered.DONE

        assert await score(resources, member) == leased
        # The attempt that is under way can still be recorded, and brings the place to its time.
        assert (await take(resources, member)).failures == claimed.failures


async def test_while_paused_it_waits_and_is_due_when_resumed(resources: Resources) -> None:
    one = await subscribed(resources)
    await give_up(resources, one.id)
    await fail(resources, one.id)
    await _pause(resources, one.id)

    assert [await _retry(resources, one.id, sequence) for sequence in (1, 2)] == [Redelivered.DONE] * 2
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
    assert (await delivery_of(resources, one.id, 1)).status.value == "pending"
    await _pause(resources, one.id, paused=False)

    claims = {claimed.member: claimed.failures for claimed in await claim(resources, one.partition)}
    assert claims == {one.id: 0, f"{one.id}/1": 0}


async def test_nothing_is_sent_again_once_the_subscription_has_ended(resources: Resources) -> None:
    one = await subscribed(resources)
    await give_up(resources, one.id)
    await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.DISABLED)
    before = await statuses(resources, one.id)

    assert await _retry(resources, one.id, 1) is Redelivered.ENDED
    assert await _replay(resources, one.id, 1) is Redelivered.ENDED

    assert await statuses(resources, one.id) == before == {1: "failed", **dict.fromkeys((2, 3, 4, 5), "cancelled")}
    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0


async def test_nothing_is_written_of_a_subscription_that_has_expired(resources: Resources) -> None:
    one = await subscribed(resources)
    await resources.ledger.redis.delete(one.partition.subscription(one.id))
    store = RedeliveryStore(resources.ledger)

    assert await store.retry(one.partition, TENANT, [Retry(one.id, 1)]) == [Redelivered.GONE]
    assert await store.replay(one.partition, TENANT, [Replay(one.id, 1)]) == [Redelivered.GONE]

    assert not await resources.ledger.redis.exists(one.partition.subscription(one.id))


async def test_sending_again_keeps_what_it_needs(resources: Resources) -> None:
    one = await subscribed(resources)
    await give_up(resources, one.id)
    await arrive(resources, one.id, 4)
    partition = one.partition
    needed = [partition.subscription(one.id), partition.watch(WATCH), partition.line(WATCH)]
    for again in (_retry, _replay):
        for name in needed:
            await resources.ledger.redis.pexpire(name, 60_000)

        assert await again(resources, one.id, 1) is Redelivered.DONE

        left = await lifetimes(resources)
        assert all(left[name] > 3_000_000 for name in needed)


async def test_a_replay_sends_the_range_again_in_order(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id, 5)

    assert await _replay(resources, one.id, 3) is Redelivered.DONE

    assert await statuses(resources, one.id) == {
        1: "delivered", 2: "delivered", 3: "pending", 4: "pending", 5: "pending",
    }  # fmt: skip
    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures) == (one.id, 0)
    assert [pending.sequence for pending in claimed.events] == [3, 4, 5]


async def test_a_replay_takes_back_what_was_failed_or_retried_in_its_range(resources: Resources) -> None:
    one = await subscribed(resources)
    await give_up(resources, one.id)
    await overtake(resources, one.id)
    await give_up(resources, one.id)
    await fail(resources, one.id)

    assert await _replay(resources, one.id, 2) is Redelivered.DONE

    assert await _failed(resources, one.id) == [f"{one.id}/1"]
    [claimed] = await claim(resources, one.partition)
    assert (claimed.member, claimed.failures) == (one.id, 0)
    assert [pending.sequence for pending in claimed.events] == [2, 3, 4, 5]
    assert await claim(resources, one.partition, horizon=80) == []


async def test_a_replay_leaves_alone_what_lies_before_its_range(resources: Resources) -> None:
    one = await subscribed(resources)
    await overtake(resources, one.id)
    await arrive(resources, one.id, 3)

    assert await _replay(resources, one.id, 5) is Redelivered.DONE

    assert await statuses(resources, one.id) == {
        1: "pending", 2: "delivered", 3: "delivered", 4: "delivered", 5: "pending",
    }  # fmt: skip
    assert [pending.sequence for pending in (await take(resources, f"{one.id}/1")).events] == [1]


async def test_a_replay_waits_for_the_attempt_that_is_under_way(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id, 2)
    await take(resources, one.id)
    leased = await score(resources, one.id)

    assert await _replay(resources, one.id, 1) is Redelivered.DONE

    assert await score(resources, one.id) == leased
    assert await claim(resources, one.partition) == []
    assert [pending.sequence for pending in (await take(resources, one.id)).events] == [1, 2, 3, 4, 5]


async def test_a_replay_from_the_head_on_leaves_an_attempt_at_it_alone(resources: Resources) -> None:
    one = await subscribed(resources)
    await fail(resources, one.id)
    claimed = await take(resources, one.id)

    assert await _replay(resources, one.id, 1) is Redelivered.DONE

    assert claimed.failures == (await take(resources, one.id)).failures == 1


async def test_a_replay_from_the_head_on_makes_it_due_and_from_behind_it_changes_nothing(resources: Resources) -> None:
    one = await subscribed(resources)
    await arrive(resources, one.id)
    await fail(resources, one.id)
    await resources.ledger.redis.hset(one.partition.subscription(one.id), mapping={"n": 1, "h": 1})

    assert await _replay(resources, one.id, 3) is Redelivered.DONE
    assert await claim(resources, one.partition) == []
    assert (await read(resources, one.id)).cursor == 1

    assert await _replay(resources, one.id, 2) is Redelivered.DONE
    [claimed] = await claim(resources, one.partition)
    assert (claimed.failures, claimed.cursor) == (0, 1)
    assert await resources.ledger.redis.hmget(one.partition.subscription(one.id), "n", "h") == [None, None]


async def test_a_replay_that_was_planned_for_another_cursor_changes_nothing(resources: Resources) -> None:
    one = await subscribed(resources)
    await give_up(resources, one.id, 2)

    assert await _replay(resources, one.id, 1, cursor=1) is Redelivered.STALE
    assert await _failed(resources, one.id) == [f"{one.id}/1", f"{one.id}/2"]

    assert await _replay(resources, one.id, 1, cursor=2) is Redelivered.DONE
    assert await _failed(resources, one.id) == []


async def test_a_paused_subscription_is_replayed_when_it_is_resumed(resources: Resources) -> None:
    one = await subscribed(resources, polled=3)
    await arrive(resources, one.id, 3)
    await _pause(resources, one.id)

    assert await _replay(resources, one.id, 1) is Redelivered.DONE
    assert await claim(resources, one.partition) == []
    await poll(resources, one.partition, LIFE)
    await _pause(resources, one.id, paused=False)

    [claimed] = await claim(resources, one.partition)
    assert [pending.sequence for pending in claimed.events] == [1, 2, 3, 4, 5]


async def test_a_replay_begins_as_soon_as_the_attempt_under_way_has_ended(resources: Resources) -> None:
    one = await subscribed(resources)
    await settle(resources, one.partition, delivered(await claim_one(resources, one.partition)))
    under_way = await claim_one(resources, one.partition)
    await _replay(resources, one.id, 1)
    assert await claim(resources, one.partition) == []

    assert await settle(resources, one.partition, delivered(under_way)) == [Recorded.STALE]

    [again] = await claim(resources, one.partition)
    assert again.cursor == 0
