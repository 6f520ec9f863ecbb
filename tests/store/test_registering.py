"""register.lua: a subscription and its call are written down together, once."""

import asyncio

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from tests.builders import CALL_SID, LIFE, make_key
from tests.store.keys import lifetimes
from tests.store.making import TENANT, URL, claim, read, register
from tests.store.polling import claim_polls, poll

WATCH = make_key().watch_id
SECRET = "whsec_" + "c2VjcmV0LW9mLW9uZS1zdWJzY3JpcHRpb24="


async def test_a_new_call_is_due_at_once_and_has_nothing_to_deliver(resources: Resources) -> None:
    registration = await register(resources)

    assert (registration.created, registration.poll_now, registration.deliver_now) == (True, True, False)
    assert [one.watch_id for one in await claim_polls(resources, registration.partition, horizon=0)] == [WATCH]
    assert await claim(resources, registration.partition, horizon=1000) == []


async def test_everything_that_was_asked_for_is_kept(resources: Resources) -> None:
    registration = await register(
        resources,
        events=["call.completed", "final"],
        metadata={"deal": "ü"},
        secret=SECRET,
        headers={"authorization": "Basic bm9ib2R5"},
    )

    kept = await read(resources, registration.id)

    assert (kept.id, kept.tenant_id, kept.watch_id, kept.status) == (registration.id, TENANT, WATCH, "active")
    assert (kept.final_event, kept.cursor, kept.call.call_sid) == (None, 0, CALL_SID)
    assert (kept.destination.callback_url, kept.destination.events.names) == (URL, ("call.completed", "final"))
    assert (kept.destination.metadata, kept.destination.secret) == ({"deal": "ü"}, SECRET)
    assert kept.destination.headers == {"authorization": "Basic bm9ib2R5"}


async def test_secrets_headers_and_the_connector_are_nowhere_in_clear(resources: Resources) -> None:
    await register(resources, connector_id="very-secret", secret=SECRET, headers={"authorization": "Basic bm9ib2R5"})

    redis = resources.ledger.redis
    written = b""
    async for name in redis.scan_iter("*"):
        written += name + await redis.dump(name)
    # What is to be found tells that the looking works.
    assert URL.encode() in written
    for hidden in ("very-secret", SECRET, "c2VjcmV0", "bm9ib2R5"):
        assert hidden.encode() not in written


async def test_the_same_again_writes_nothing(resources: Resources) -> None:
    first = await register(resources)
    await claim_polls(resources, first.partition)
    before = await lifetimes(resources)

    again = await register(resources, metadata={"deal": "another"}, events=["final"])

    assert (again.id, again.created, again.poll_now, again.deliver_now) == (first.id, False, False, False)
    assert set(await lifetimes(resources)) == set(before)
    assert (await read(resources, first.id)).destination.metadata == {}
    # Its lease is another worker's: the call is not due once more.
    assert await claim_polls(resources, first.partition, horizon=0) == []


async def test_of_many_at_once_one_is_new(resources: Resources) -> None:
    made = await asyncio.gather(*(register(resources) for _ in range(30)))

    assert len({one.id for one in made}) == 1
    assert [one.created for one in made].count(True) == 1


async def test_a_second_tenant_shares_the_poll_and_nothing_else(resources: Resources) -> None:
    first = await register(resources)
    second = await register(resources, tenant_id="ten_other")

    assert second.id != first.id
    assert (second.created, second.poll_now) == (True, False)
    assert len(await claim_polls(resources, first.partition)) == 1
    assert await resources.subscriptions.watches_of_call("ten_other", CALL_SID) == [WATCH]
    assert await resources.subscriptions.watches_of_call("ten_third", CALL_SID) == []


async def test_a_second_subscriber_does_not_cut_short_a_poll_that_is_under_way(resources: Resources) -> None:
    first = await register(resources)
    await claim_polls(resources, first.partition, lease=100)

    await register(resources, url=f"{URL}/second")

    assert await claim_polls(resources, first.partition, horizon=90) == []


async def test_only_all_four_names_together_share_a_poll(resources: Resources) -> None:
    for name in ("account_id", "project_id", "connector_id"):
        await register(resources, **{name: "another"})  # type: ignore[arg-type] # a keyword by its name
    registration = await register(resources)

    claims = await claim_polls(resources, registration.partition)

    assert len({one.watch_id for one in claims}) == 4
    assert {one.watch.key.connector_id for one in claims} == {make_key().connector_id, "another"}


async def test_a_subscription_in_mid_call_has_the_earlier_events_to_deliver_first(resources: Resources) -> None:
    first = await register(resources)
    await poll(resources, first.partition, LIFE[:3])

    late = await register(resources, url=f"{URL}/late")

    assert (late.created, late.poll_now, late.deliver_now) == (True, False, True)
    [claimed] = [one for one in await claim(resources, late.partition) if one.member == late.id]
    assert [(one.sequence, one.event.status) for one in claimed.events] == [
        (1, "CREATED"),
        (2, "queued"),
        (3, "ringing"),
    ]
    assert claimed.cursor == 0


async def test_a_call_that_has_ended_is_delivered_and_not_polled(resources: Resources) -> None:
    first = await register(resources)
    await poll(resources, first.partition)

    late = await register(resources, url=f"{URL}/late")

    assert (late.poll_now, late.deliver_now) == (False, True)
    assert await claim_polls(resources, late.partition) == []
    assert (await read(resources, late.id)).status is SubscriptionStatus.COMPLETED


async def test_after_the_end_the_same_again_is_still_the_one_that_is_there(resources: Resources) -> None:
    first = await register(resources)
    await poll(resources, first.partition)

    again = await register(resources)

    assert (again.id, again.created, again.poll_now, again.deliver_now) == (first.id, False, False, False)


async def test_a_subscription_that_has_expired_is_not_found_again_by_its_call(resources: Resources) -> None:
    first = await register(resources)
    # Its call lives longer, since somebody else has subscribed later.
    await register(resources, url=f"{URL}/later")
    await resources.ledger.redis.delete(first.partition.subscription(first.id))

    again = await register(resources)

    assert again.created
    assert again.id != first.id
    assert (await read(resources, again.id)).status is SubscriptionStatus.ACTIVE


async def test_every_key_of_a_call_has_a_lifetime(resources: Resources) -> None:
    settings = resources.settings
    registration = await register(resources)
    longest = round((settings.watch_max_seconds + settings.retention_seconds) * 1000)

    found = await lifetimes(resources)

    for_ever = {name for name, left in found.items() if left == -1}
    assert for_ever == {registration.partition.due, "rb:installation"}
    # What calls share lives somewhat longer, so that not each of them prolongs it.
    assert all(longest - 60_000 < left <= longest + 600_000 for name, left in found.items() if name not in for_ever)
    assert len(found) == 2 + 7


async def test_a_later_subscription_prolongs_what_it_shares(resources: Resources) -> None:
    first = await register(resources)
    shared = [first.partition.watch(WATCH), first.partition.registrations(WATCH), first.partition.line(WATCH)]
    for name in shared:
        await resources.ledger.redis.pexpire(name, 5000)

    await register(resources, url=f"{URL}/later")

    left = await lifetimes(resources)
    assert all(left[name] > 100_000 for name in shared)


async def test_what_has_expired_leaves_the_tenants_index(resources: Resources) -> None:
    registration = await register(resources)
    index = registration.partition.of_tenant(TENANT)
    long_ago = f"{registration.id[:6]}000000000{registration.id[15:]}"
    await resources.ledger.redis.zadd(index, {long_ago: 0})

    await register(resources, url=f"{URL}/later")

    members = [one.decode() for one in await resources.ledger.redis.zrange(index, 0, -1)]
    assert long_ago not in members
    assert registration.id in members
    assert len(members) == 2


async def test_no_script_call_touches_two_partitions(resources: Resources) -> None:
    made = [await register(resources, call_sid=f"OUT-{number}") for number in range(20)]

    assert len({one.partition.number for one in made}) == resources.settings.partitions
    for one in made:
        found = resources.subscriptions.partition_of(one.id)
        assert found is not None
        assert found.number == one.partition.number
    left = await lifetimes(resources)
    tags = {name.partition("}")[0] for name in left if name != "rb:installation"}
    assert tags == {f"rb:{{{number:02d}" for number in range(resources.settings.partitions)}
