"""Queues as they are read: what has become of each delivery, when it is tried next, and what was tried."""

from dataclasses import replace

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from app.store.deliveries import LoggedAttempt
from app.store.delivery_records import QueueStore
from app.store.subscriptions import SubscriptionChange
from tests.builders import CALL_SID, LIFE, make_names
from tests.store import sending
from tests.store.keys import delete_call
from tests.store.making import TENANT, URL, claim_one, delivered, read, register, settle, subscribed
from tests.store.polling import poll


async def test_each_event_is_a_delivery_with_a_status(resources: Resources) -> None:
    one = (await subscribed(resources)).id
    await sending.arrive(resources, one)
    await sending.give_up(resources, one)
    await sending.overtake(resources, one)

    assert await sending.statuses(resources, one) == {
        5: "pending",
        4: "delivered",
        3: "pending",
        2: "failed",
        1: "delivered",
    }


async def test_a_delivery_knows_its_call_and_its_event(resources: Resources) -> None:
    one = (await subscribed(resources)).id

    found = await sending.delivery_of(resources, one, 5)

    assert (found.subscription_id, (await sending.queue_of(resources, one)).callback_url) == (one, URL)
    assert (found.call, found.event.type) == (make_names(), "call.completed")
    assert (found.id, found.event_id[:4]) == (f"dlv_{one[4:]}0005", "evt_")


async def test_there_is_no_delivery_of_an_event_that_is_not_there_or_not_wanted(resources: Resources) -> None:
    one = await register(resources, events=["final"])
    await poll(resources, one.partition, LIFE)
    queue = await sending.queue_of(resources, one.id)

    assert [queue.delivery(sequence) for sequence in (0, 1, 4, 6, 32**7)] == [None] * 5
    assert await sending.statuses(resources, one.id) == {5: "pending"}
    claimed = await sending.take(resources, one.id)
    await settle(resources, one.partition, delivered(replace(claimed, events=claimed.events[4:])))
    assert await sending.statuses(resources, one.id) == {5: "delivered"}


async def test_the_end_of_the_subscription_cancels_what_waits(resources: Resources) -> None:
    one = await subscribed(resources, polled=3)
    await sending.arrive(resources, one.id)
    await sending.overtake(resources, one.id)
    await register(resources, url=f"{URL}/another")
    await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.CANCELLED)
    await poll(resources, one.partition, LIFE)

    # The second was passed by the third, and never arrived; what came later is no delivery at all.
    assert await sending.statuses(resources, one.id) == {3: "delivered", 1: "delivered"}


async def test_what_was_tried_and_cut_off_by_the_end_is_cancelled(resources: Resources) -> None:
    one = await subscribed(resources, polled=3)
    await sending.fail(resources, one.id)
    await sending.overtake(resources, one.id)
    await resources.subscriptions.end(await read(resources, one.id), SubscriptionStatus.CANCELLED)

    assert await sending.statuses(resources, one.id) == {3: "cancelled", 2: "delivered", 1: "cancelled"}


async def test_the_next_attempt_is_known_of_what_waits_for_nothing_else(resources: Resources) -> None:
    one = (await subscribed(resources)).id
    await sending.overtake(resources, one, wait=50)
    await sending.fail(resources, one, wait=100)
    now = resources.ledger.clock.now()

    queue = await sending.queue_of(resources, one)

    due = {delivery.sequence: delivery.next_attempt_at for delivery in queue.deliveries()}
    assert (due[5], due[4], due[2]) == (None, None, None)
    assert due[3] is not None
    assert due[1] is not None
    assert 90 < due[3] - now <= 100
    assert 40 < due[1] - now <= 50


async def test_the_next_attempt_is_unknown_while_one_is_under_way_or_paused(resources: Resources) -> None:
    one = (await subscribed(resources)).id
    await sending.take(resources, one)
    assert (await sending.delivery_of(resources, one, 1)).next_attempt_at is None

    await sending.fail(resources, one)
    assert (await sending.delivery_of(resources, one, 1)).next_attempt_at is not None

    await resources.subscriptions.change(await read(resources, one), SubscriptionChange(paused=True))
    assert await sending.score(resources, one) is None
    found = await sending.delivery_of(resources, one, 1)
    assert (found.status.value, found.next_attempt_at) == ("pending", None)


async def test_every_attempt_of_a_delivery_is_told_in_order(resources: Resources) -> None:
    one = await subscribed(resources)
    claimed = await claim_one(resources, one.partition)
    logged = LoggedAttempt(1, 1710496800.25, 0, "timeout", 15_000, b"\xff\x00", "retry")
    answered = LoggedAttempt(1, 1710496802.5, 200, "", 12, b"ok", "delivered")
    for attempt in (logged, replace(logged, sequence=2), answered):
        await settle(resources, one.partition, replace(delivered(claimed), attempt=attempt))

    assert (await sending.delivery_of(resources, one.id, 1)).attempts == (logged, answered)
    assert (await sending.delivery_of(resources, one.id, 2)).attempts == (replace(logged, sequence=2),)


async def test_many_queues_come_in_the_order_of_their_ids_without_those_that_are_gone(resources: Resources) -> None:
    made = [(await register(resources, call_sid=f"OUT-{number}")).id for number in range(8)]
    await resources.ledger.redis.delete(sending.partition_of(resources, made[3]).subscription(made[3]))
    await poll(resources, resources.subscriptions.partition_of_call("OUT-5"))
    await delete_call(resources, "OUT-5")
    store = QueueStore(resources.ledger, resources.settings.partitions)

    assert await store.read("ten_other", made) == []
    found = await store.read(TENANT, [*made, made[0], "sub_zz1m842cp95qqrkphhnzx3", "nonsense"])

    assert [queue.subscription_id for queue in found] == [one for one in made if one not in (made[3], made[5])]
    assert CALL_SID not in {queue.call.call_sid for queue in found}
