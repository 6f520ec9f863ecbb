"""Order through trouble: what a subscription's turn does when its receiver fails, for a while or for one event only."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, breaker_name
from app.domain.subscription import SubscriptionStatus
from app.outbound.callback import CallbackClient
from app.store import keys
from app.store.breakers import BreakerStore, digest_of
from app.store.deliveries import ClaimedOutbox
from app.store.subscription_records import Subscription, SubscriptionChange
from tests.builders import LIFE
from tests.peers import Receipt, Receiver, Reply
from tests.workers.ledger import Desk

HOOK = "/hook"
QUICK = (0.01,) * 20


def sequence_of(body: bytes) -> int:
    sequence: int = json.loads(body)["data"]["sequence"]
    return sequence


def accepted(receipts: list[Receipt]) -> list[int]:
    """Return the sequences that the receiver has accepted, in its order."""
    return [sequence_of(one.body) for one in receipts if one.status < 300]


def open_for_long(desk: Desk) -> BreakerStore:
    """Breakers that stay open for longer than any test lasts."""
    return BreakerStore(desk.resources.ledger, (1800.0,), timeout_seconds=1.0)


async def open_breaker(desk: Desk, destination: str) -> None:
    """Let a destination have failed, at other workers, so that nothing is attempted there for half an hour."""
    breakers = open_for_long(desk)
    for _ in range(FAILURES_TO_OPEN):
        await breakers.failed(breaker_name(desk.tenant.id, destination), "500", probe=False)


async def subscription_of(desk: Desk, claim: ClaimedOutbox) -> Subscription:
    found = await desk.resources.subscriptions.get(claim.subscription_id)
    assert found is not None
    return found


async def change(desk: Desk, claim: ClaimedOutbox, wanted: SubscriptionChange) -> None:
    await desk.resources.subscriptions.change(await subscription_of(desk, claim), wanted)


async def end(desk: Desk, claim: ClaimedOutbox) -> None:
    await desk.resources.subscriptions.end(await subscription_of(desk, claim), SubscriptionStatus.CANCELLED)


def all_accepted(receiver: Receiver, count: int = len(LIFE)) -> bool:
    return len(accepted(receiver.at(HOOK))) == count


@pytest.mark.parametrize("turns", [1, 3, 4, 5, 7])
async def test_a_receiver_that_was_down_gets_everything_in_order(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, turns: int
) -> None:
    taken = 0
    receiver.refuse(HOOK, lambda _: taken < turns)
    await desk.subscribe(url + HOOK)
    await desk.happen()
    deliverer = desk.deliverer(callbacks, QUICK)

    def one_more() -> bool:
        nonlocal taken
        taken += 1
        return all_accepted(receiver)

    await desk.deliver_until(deliverer, one_more)

    assert accepted(receiver.at(HOOK)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("turns", [1, 4, 5])
async def test_also_when_the_events_come_one_by_one_meanwhile(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, turns: int
) -> None:
    down = True
    receiver.refuse(HOOK, lambda _: down)
    await desk.subscribe(url + HOOK)
    deliverer = desk.deliverer(callbacks, QUICK)
    for length in range(1, len(LIFE) + 1):
        await desk.happen(LIFE[:length])
        down = length < turns
        [claim] = await desk.claims()
        await deliverer.deliver(desk.partition, claim)

    await desk.deliver_until(deliverer, lambda: all_accepted(receiver))

    assert accepted(receiver.at(HOOK)) == [1, 2, 3, 4, 5]


async def test_an_event_that_its_receiver_cannot_take_is_passed_by_the_others(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    refused = 0

    def unwanted(body: bytes) -> bool:
        nonlocal refused
        refused += sequence_of(body) == 2
        return sequence_of(body) == 2 and refused <= 7

    receiver.refuse(HOOK, unwanted)
    await desk.subscribe(url + HOOK)
    await desk.happen()

    await desk.deliver_until(desk.deliverer(callbacks, QUICK), lambda: all_accepted(receiver))

    assert accepted(receiver.at(HOOK)) == [1, 3, 4, 5, 2]


async def test_two_events_that_cannot_be_taken_hold_each_other_up_but_not_the_schedule(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.refuse(HOOK, lambda body: sequence_of(body) in (2, 3))
    await desk.subscribe(url + HOOK)
    await desk.happen()

    deliverer = desk.deliverer(callbacks, (0.01,) * 6)
    await desk.deliver_until(deliverer, lambda: all_accepted(receiver, 3))

    assert accepted(receiver.at(HOOK)) == [1, 4, 5]


async def test_an_event_that_comes_later_is_not_held_up_by_one_that_fails(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.refuse(HOOK, lambda body: sequence_of(body) == 1)
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:1])
    # From the fourth failure on the next attempt is an hour away.
    deliverer = desk.deliverer(callbacks, (0.01, 0.01, 0.01, 3600.0, 3600.0))
    await desk.deliver_until(deliverer, lambda: len(receiver.at(HOOK)) == 4)

    await desk.happen()
    await desk.deliver_until(deliverer, lambda: all_accepted(receiver, 4))

    assert accepted(receiver.at(HOOK)) == [2, 3, 4, 5]


async def test_while_the_breaker_is_open_nothing_is_sent_and_no_attempt_is_used_up(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    await open_breaker(desk, url)
    await desk.subscribe(url + HOOK)
    await desk.happen()
    [claim] = await desk.claims()

    again_at = await desk.deliverer(callbacks).deliver(desk.partition, claim)

    assert receiver.receipts == []
    assert again_at > desk.resources.ledger.clock.now() + 1000
    [again] = await desk.claims()
    assert (again.cursor, again.failures) == (0, 0)


async def test_one_worker_that_finds_a_receiver_down_keeps_the_others_away(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply("/down", *[Reply(503)] * FAILURES_TO_OPEN)
    first, second = (desk.deliverer(callbacks, QUICK, breakers=open_for_long(desk)) for _ in range(2))
    for number in range(FAILURES_TO_OPEN):
        await desk.subscribe(f"{url}/down?{number}")
    await desk.happen(LIFE[:1])
    for claim in await desk.claims():
        await first.deliver(desk.partition, claim)
    assert len(receiver.at("/down")) == FAILURES_TO_OPEN

    for claim in await desk.claims():
        await second.deliver(desk.partition, claim)

    assert len(receiver.at("/down")) == FAILURES_TO_OPEN


async def test_what_waits_for_a_destination_that_stays_dead_is_given_up_in_the_end(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await open_breaker(desk, url)
    await desk.resources.ledger.redis.hset(keys.breaker(digest_of(breaker_name(desk.tenant.id, url))), "t", 0)
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:2], seconds_ago=3 * 86400)
    await desk.happen()

    def given_up(record: logging.LogRecord) -> bool:
        return getattr(record, "error", "") == "destination_down"

    await desk.deliver_until(desk.deliverer(callbacks), lambda: sum(given_up(record) for record in caplog.records) == 2)
    [claim] = await desk.claims()
    await desk.deliverer(callbacks).deliver(desk.partition, claim)
    [waiting] = await desk.claims()

    assert receiver.receipts == []
    assert waiting.cursor == 2
    failed = await desk.resources.ledger.redis.zrange(desk.partition.failed(desk.tenant.id), 0, -1)
    assert [one.decode().rpartition("/")[2] for one in failed] == ["1", "2"]


@pytest.mark.parametrize("failing", [False, True])
async def test_a_subscription_that_is_paused_in_the_middle_of_a_turn_gets_nothing_more(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, *, failing: bool
) -> None:
    held_back = Reply(500 if failing else 204, waits_for=asyncio.Event())
    receiver.reply(HOOK, *[Reply(500)] * (3 if failing else 0), held_back)
    await desk.subscribe(url + HOOK)
    await desk.happen()
    deliverer = desk.deliverer(callbacks, QUICK)
    before = 3 if failing else 0
    await desk.deliver_until(deliverer, lambda: len(receiver.at(HOOK)) == before)
    [claim] = await desk.claims()
    delivering = asyncio.create_task(deliverer.deliver(desk.partition, claim))
    await receiver.until_at(HOOK, before + 1)

    await change(desk, claim, SubscriptionChange(paused=True))
    held_back.waits_for.set()
    await delivering

    assert len(receiver.at(HOOK)) == before + 1


async def test_a_claim_that_was_held_is_not_acted_on_once_its_subscription_was_cancelled(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    await desk.subscribe(url + HOOK)
    await desk.happen()
    [claim] = await desk.claims()
    await end(desk, claim)

    await desk.deliverer(callbacks).deliver(desk.partition, replace(claim, claimed_at=claim.claimed_at - 1))

    assert receiver.receipts == []
    assert await desk.claims() == []


async def test_a_claim_that_was_held_is_made_anew_once_its_subscription_has_moved(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    await desk.subscribe(url + "/left")
    await desk.happen()
    [claim] = await desk.claims()
    await change(desk, claim, SubscriptionChange(callback_url=url + HOOK))

    deliverer = desk.deliverer(callbacks)
    await deliverer.deliver(desk.partition, replace(claim, claimed_at=claim.claimed_at - 1))
    await desk.deliver_until(deliverer, lambda: all_accepted(receiver))

    assert receiver.at("/left") == []


async def test_a_turn_ends_where_its_subscription_moves_and_goes_on_at_the_new_url(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    held_back = Reply(204, waits_for=asyncio.Event())
    receiver.reply("/left", held_back)
    await desk.subscribe(url + "/left")
    await desk.happen()
    [claim] = await desk.claims()
    deliverer = desk.deliverer(callbacks)
    delivering = asyncio.create_task(deliverer.deliver(desk.partition, claim))
    await receiver.until_at("/left", 1)

    await change(desk, claim, SubscriptionChange(callback_url=url + HOOK))
    held_back.waits_for.set()
    await delivering
    await desk.deliver_until(deliverer, lambda: all_accepted(receiver, 4))

    assert len(receiver.at("/left")) == 1
    assert accepted(receiver.at(HOOK)) == [2, 3, 4, 5]


@pytest.mark.parametrize("answer", [Reply(500), Reply(410)], ids=["500", "410"])
async def test_what_failed_at_the_old_url_is_tried_at_the_new_one_at_once(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, answer: Reply
) -> None:
    held_back = replace(answer, waits_for=asyncio.Event())
    receiver.reply("/left", held_back)
    await desk.subscribe(url + "/left")
    await desk.happen()
    [claim] = await desk.claims()
    deliverer = desk.deliverer(callbacks, (3600.0,) * 3)
    delivering = asyncio.create_task(deliverer.deliver(desk.partition, claim))
    await receiver.until_at("/left", 1)

    await change(desk, claim, SubscriptionChange(callback_url=url + HOOK))
    held_back.waits_for.set()
    await delivering
    await desk.deliver_until(deliverer, lambda: all_accepted(receiver))

    assert accepted(receiver.at(HOOK)) == [1, 2, 3, 4, 5]
