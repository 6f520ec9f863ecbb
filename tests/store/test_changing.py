"""change_subscription.lua: a change is made wholly or not at all, and deliveries go by it."""

import asyncio

import pytest

from app.domain.subscription import SubscriptionStatus, event_filter, registration_digest
from app.resources import Resources
from app.store import codec
from app.store.subscription_records import BODY, SubscriptionBodies, changed_body, cut
from app.store.subscriptions import Changed, SubscriptionChange
from app.store.vault import Vault
from app.store.watches import Recorded
from tests.builders import LIFE, make_key
from tests.conftest import ENCRYPTION_KEY
from tests.store.changing import FAR_SECONDS, change, settled, waiting, with_a_lane
from tests.store.keys import body, delete_call, lifetimes
from tests.store.making import TENANT, URL, claim, claim_one, read, register, settle, subscribed
from tests.store.polling import claim_polls, poll

WATCH = make_key().watch_id


@pytest.mark.parametrize(("names", "queued"), [(["final"], Recorded.DONE), (["call.queued"], Recorded.DONE_WITH_MORE)])
async def test_another_filter_decides_of_the_events_to_come(
    resources: Resources, names: list[str], queued: Recorded
) -> None:
    one = await register(resources)

    await change(resources, one, events=event_filter(names))

    assert await poll(resources, one.partition, LIFE[:2]) == [queued]
    assert (await read(resources, one.id)).destination.events.names == tuple(names)


async def test_a_wider_filter_lets_out_what_was_held_back(resources: Resources) -> None:
    one = await register(resources, events=["final"])
    await poll(resources, one.partition, LIFE[:2])
    assert await waiting(resources, one) == []

    assert await change(resources, one, events=event_filter(["call.*"])) is Changed.DONE_WITH_MORE

    [claimed] = await claim(resources, one.partition)
    assert [pending.sequence for pending in claimed.events] == [1, 2]
    assert all(claimed.destination.events.wants(pending.event.type) for pending in claimed.events)


async def test_another_filter_does_not_hasten_a_retry(resources: Resources) -> None:
    one = await with_a_lane(resources)
    [head] = await claim(resources, one.partition)
    later = resources.ledger.clock.now() + FAR_SECONDS
    await settle(resources, one.partition, settled(head, verdict="retry", retry_at=later))

    assert await change(resources, one, events=event_filter(["call.ringing"])) is Changed.DONE

    assert await claim(resources, one.partition) == []
    assert len(await claim(resources, one.partition, horizon=FAR_SECONDS)) == 2


async def test_what_waits_for_a_retry_is_tried_at_a_new_url_at_once(resources: Resources) -> None:
    one = await with_a_lane(resources)
    assert [claimed.member for claimed in await claim(resources, one.partition, lease=0)] == [one.id]
    later = resources.ledger.clock.now() + FAR_SECONDS
    await resources.ledger.redis.zadd(one.partition.outbox, {one.id: round(later * 1000)})

    assert await change(resources, one, callback_url=f"{URL}/new") is Changed.DONE_WITH_MORE

    claims = await claim(resources, one.partition)
    assert sorted(claimed.member for claimed in claims) == [one.id, f"{one.id}/1"]
    assert {claimed.destination.callback_url for claimed in claims} == {f"{URL}/new"}


async def test_an_attempt_under_way_is_not_made_twice_by_a_new_url(resources: Resources) -> None:
    one = await subscribed(resources, 2)
    claimed = await claim_one(resources, one.partition)

    assert await change(resources, one, callback_url=f"{URL}/new") is Changed.DONE

    assert await claim(resources, one.partition) == []
    await settle(resources, one.partition, settled(claimed, verdict="done", cursor_after=1))
    [following] = await claim(resources, one.partition)
    assert following.destination.callback_url == f"{URL}/new"


async def test_events_keep_the_metadata_that_they_were_written_with(resources: Resources) -> None:
    one = await subscribed(resources, 2)
    for stage in ("never carried", "open"):
        await change(resources, one, metadata={"stage": stage})
    await poll(resources, one.partition, LIFE[:3])
    await change(resources, one, metadata={})
    await poll(resources, one.partition)

    [claimed] = await claim(resources, one.partition)

    carried = [claimed.destination.metadata_at(pending.sequence) for pending in claimed.events]
    assert carried == [{"deal": "4711"}, {"deal": "4711"}, {"stage": "open"}, {}, {}]
    assert claimed.destination.metadata == {}


async def test_metadata_never_changes_under_an_event_written_at_the_same_time(resources: Resources) -> None:
    one = await register(resources, metadata={"stage": "0"})
    carried: dict[int, object] = {}

    async def look(written: int) -> None:
        destination = (await read(resources, one.id)).destination
        for sequence in range(1, written + 1):
            now = destination.metadata_at(sequence)
            assert carried.setdefault(sequence, now) == now

    for polled in range(1, len(LIFE) + 1):
        changes = [change(resources, one, metadata={"stage": f"{polled}.{number}"}) for number in range(3)]
        *changed, recorded = await asyncio.gather(*changes, poll(resources, one.partition, LIFE[:polled]))
        assert (changed, recorded) == ([Changed.DONE] * 3, [Recorded.DONE_WITH_MORE])
        await look(polled)

    assert len(carried) == len(LIFE)


async def test_a_change_that_an_event_has_overtaken_is_not_written(resources: Resources) -> None:
    one = await register(resources, metadata={"stage": "0"})
    partition, key = one.partition, one.partition.subscription(one.id)
    before = await body(resources, one.id)
    too_early = changed_body(before, SubscriptionChange(metadata={"stage": "1"}), 0)
    await poll(resources, partition, LIFE[:1])

    names = [partition.outbox, key, partition.watch(WATCH), partition.registrations(WATCH)]
    arguments = [partition.prefix, one.id, before, too_early, 0, registration_digest(TENANT, URL), "*", ""]

    assert await resources.ledger.run("change_subscription", names, arguments) == Changed.STALE
    assert (await read(resources, one.id)).destination.metadata_at(1) == {"stage": "0"}


async def test_of_urls_that_meet_one_is_registered(resources: Resources) -> None:
    one = await register(resources)

    changed = await asyncio.gather(
        *(change(resources, one, callback_url=f"{URL}/{number}", metadata={"n": str(number)}) for number in range(20))
    )

    assert set(changed) == {Changed.DONE}
    destination = (await read(resources, one.id)).destination
    assert destination.callback_url == f"{URL}/{destination.metadata['n']}"
    digest = registration_digest(TENANT, destination.callback_url)
    registered = await resources.ledger.redis.hgetall(one.partition.registrations(WATCH))
    assert registered == {digest.encode(): f"{one.id} *".encode()}


async def test_two_that_want_one_url_do_not_both_get_it(resources: Resources) -> None:
    both = [await register(resources), await register(resources, url=f"{URL}/second")]

    changed = await asyncio.gather(*(change(resources, one, callback_url=f"{URL}/third") for one in both))

    assert sorted(changed) == [Changed.URL_TAKEN, Changed.DONE]


async def test_the_url_of_one_that_has_expired_is_free(resources: Resources) -> None:
    expired = await register(resources)
    one = await register(resources, url=f"{URL}/second")
    await resources.ledger.redis.delete(expired.partition.subscription(expired.id))

    assert await change(resources, one, callback_url=URL) is Changed.DONE

    assert (await register(resources)).id == one.id


async def test_one_that_has_moved_can_be_ended_under_its_new_url(resources: Resources) -> None:
    one = await register(resources)
    await change(resources, one, callback_url=f"{URL}/new")

    assert await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.CANCELLED)

    assert not await resources.ledger.redis.exists(one.partition.registrations(WATCH))
    assert await claim_polls(resources, one.partition) == []


async def test_a_change_leaves_every_lifetime_as_it_is(resources: Resources) -> None:
    one = await subscribed(resources, 5)
    before = await lifetimes(resources)

    await change(resources, one, callback_url=f"{URL}/new", events=event_filter(["final"]), metadata={}, paused=True)

    after = await lifetimes(resources)
    assert set(after) == set(before) - {one.partition.outbox}
    assert all(before[name] - 60_000 < left <= before[name] for name, left in after.items())


async def test_a_registration_that_had_expired_comes_back_with_a_lifetime(resources: Resources) -> None:
    one = await subscribed(resources, 5)
    await resources.ledger.redis.delete(one.partition.registrations(WATCH))

    await change(resources, one, callback_url=f"{URL}/new")

    assert await resources.ledger.redis.pttl(one.partition.registrations(WATCH)) > 0


async def test_a_registration_that_has_passed_to_another_is_left_to_it(resources: Resources) -> None:
    one = await subscribed(resources, 5)
    await resources.ledger.redis.delete(one.partition.registrations(WATCH))
    other = await register(resources)
    assert other.created

    for name, value in (("metadata", {}), ("callback_url", f"{URL}/new")):
        assert await change(resources, one, **{name: value}) >= Changed.DONE
        assert (await register(resources)).id == other.id


async def test_nothing_new_writes_nothing(resources: Resources) -> None:
    one = await subscribed(resources, 2)
    same = SubscriptionChange(URL, event_filter([]), {"deal": "4711"}, paused=False)
    kept = await read(resources, one.id)

    assert await resources.subscriptions.change(kept, same) is Changed.DONE

    assert await read(resources, one.id) == kept
    assert not await resources.ledger.redis.hexists(one.partition.subscription(one.id), "u")


async def test_each_change_is_dated_after_the_one_before(resources: Resources) -> None:
    one = await register(resources)
    dates = []
    for number in range(5):
        await change(resources, one, metadata={"n": str(number)})
        dates.append((await read(resources, one.id)).destination.updated_at)

    assert dates == sorted(set(dates))


@pytest.mark.parametrize("ending", [SubscriptionStatus.CANCELLED, SubscriptionStatus.DISABLED])
async def test_one_that_has_ended_stays_as_it_is(resources: Resources, ending: SubscriptionStatus) -> None:
    one = await subscribed(resources, 2)
    await resources.subscriptions.end(await read(resources, one.id), ending)
    kept = await read(resources, one.id)

    for name, value in (("paused", False), ("callback_url", f"{URL}/new"), ("metadata", {})):
        assert await change(resources, one, **{name: value}) is Changed.ENDED_BEFORE

    assert await read(resources, one.id) == kept
    assert await waiting(resources, one) == []


async def test_one_whose_keys_have_expired_does_not_come_back(resources: Resources) -> None:
    without_call, without_own = await subscribed(resources), await register(resources, call_sid="OUT-2")
    kept = [await read(resources, one.id) for one in (without_call, without_own)]
    await delete_call(resources, kept[0].call.call_sid)
    await resources.ledger.redis.delete(without_own.partition.subscription(without_own.id))
    before = set(await lifetimes(resources))

    for one in kept:
        assert await resources.subscriptions.change(one, SubscriptionChange(paused=True)) is Changed.NOT_THERE

    assert set(await lifetimes(resources)) == before


async def test_what_a_newer_version_has_added_to_a_body_survives(resources: Resources) -> None:
    one = await register(resources, metadata={"deal": "1"})
    key = one.partition.subscription(one.id)
    fields = codec.unpack(await body(resources, one.id))
    newer = cut(codec.pack([*fields, [[1, {"deal": "0"}]], "newer"]), len(BODY))
    await resources.ledger.redis.hset(key, mapping=dict(zip(BODY, newer, strict=True)))

    await poll(resources, one.partition, LIFE[:2])
    assert await change(resources, one, metadata={"deal": "2"}) is Changed.DONE

    after = codec.unpack(await body(resources, one.id))
    assert after == [*fields[:2], {"deal": "2"}, *fields[3:], [[1, {"deal": "0"}], [2, {"deal": "1"}]], "newer"]


def test_a_body_that_is_not_changed_is_the_same_bytes() -> None:
    written = codec.pack([URL, ["final"], {"deal": "ü"}, 1, b"\x01sealed", None])

    assert changed_body(written, SubscriptionChange(), 7) == written
    assert changed_body(written, SubscriptionChange(URL, event_filter(["final"]), {"deal": "ü"}), 7) == written
    assert SubscriptionBodies(Vault([ENCRYPTION_KEY])).open(codec.pack([URL, [], {}, 1, None, None])).headers == {}
