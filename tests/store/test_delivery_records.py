"""settle_deliveries.lua: what is kept of deliveries, for how long, and what is cleared away."""

from dataclasses import replace

import pytest

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.deliveries import Settlement
from app.store.watches import Recorded
from tests.builders import make_key
from tests.store.keys import lifetimes, log_of
from tests.store.making import attempt, claim, claim_one, delivered, failed, read, settle, subscribed
from tests.store.sending import delivery_of

WATCH = make_key().watch_id


async def test_every_attempt_is_kept_up_to_a_bound(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    now = resources.ledger.clock.now()
    claimed = await claim_one(resources, one.partition)
    flood = [failed(claimed, retry_at=now)] * 600

    await settle(resources, one.partition, *flood)

    logged = await log_of(resources, one.id)
    assert len(logged) == 500
    assert logged[0] == attempt(claimed, status_code=500).pack()


@pytest.mark.parametrize(("attempts", "excerpt"), [(17, b""), (2, bytes(64)), (1, bytes(64))])
async def test_many_attempts_or_long_ones_are_kept_in_their_order(
    resources: Resources, attempts: int, excerpt: bytes
) -> None:
    one = await subscribed(resources, polled=1)
    claimed = await claim_one(resources, one.partition)
    made = [replace(attempt(claimed), duration_ms=number) for number in range(attempts)]
    made[-1] = replace(made[-1], excerpt=excerpt)

    for each in made:
        await settle(resources, one.partition, replace(delivered(claimed), attempt=each))

    assert (await delivery_of(resources, one.id, 1)).attempts == tuple(made)
    assert await resources.ledger.redis.pttl(one.partition.log(one.id)) > 0
    await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.DISABLED, made[0].pack())
    assert (await delivery_of(resources, one.id, 1)).attempts == (*made, made[0])


async def test_passing_over_an_event_logs_no_attempt(resources: Resources) -> None:
    one = await subscribed(resources, polled=2)
    claimed = await claim_one(resources, one.partition)

    await settle(resources, one.partition, Settlement(one.id, 1, 0, 0, "done", cursor_after=2))

    assert (await read(resources, one.id)).cursor == len(claimed.events)
    assert await log_of(resources, one.id) == []


async def test_a_retry_beyond_the_keys_lifetimes_prolongs_them(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)
    partition = one.partition
    needed = [partition.subscription(one.id), partition.watch(WATCH), partition.line(WATCH)]
    for name in needed:
        await resources.ledger.redis.pexpire(name, 60_000)
    wait = 43_200.0

    await settle(resources, partition, failed(claimed, retry_at=resources.ledger.clock.now() + wait))

    left = await lifetimes(resources)
    assert all(left[name] > wait * 1000 for name in needed)


async def test_a_retry_within_the_keys_lifetimes_does_not_shorten_them(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)
    before = await lifetimes(resources)

    await settle(resources, one.partition, failed(claimed, retry_at=resources.ledger.clock.now() + 1))

    after = await lifetimes(resources)
    assert all(after[name] > before[name] - 60_000 for name in before)
    forever = {name for name, left in after.items() if left == -1}
    assert forever == {"rb:installation", one.partition.outbox, one.partition.journal}


async def test_a_subscription_that_has_expired_leaves_the_outbox(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)
    await resources.ledger.redis.delete(one.partition.subscription(one.id))

    assert await settle(resources, one.partition, delivered(claimed)) == [Recorded.STALE]

    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
    assert await resources.subscriptions.get(one.id) is None


async def test_places_without_anything_to_deliver_are_cleared_away(resources: Resources) -> None:
    one = await subscribed(resources, polled=1)
    await settle(resources, one.partition, delivered(await claim_one(resources, one.partition)))
    ghosts = {one.id: 0, f"{one.id}/1": 0, "sub_0c1m842cp95qqrkphhnzx3": 0, "sub_0c1m842cp95qqrkphhnzx3/1": 0}
    await resources.ledger.redis.zadd(one.partition.outbox, ghosts)

    assert await claim(resources, one.partition) == []

    assert await resources.ledger.redis.zcard(one.partition.outbox) == 0
