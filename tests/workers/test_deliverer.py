"""Delivering as a plain function, without arq: a real ledger, a real receiver on the wire."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from app.domain.signing import secret_from_bytes, verify
from app.domain.subscription import SubscriptionStatus
from app.outbound.callback import CallbackClient
from app.store import keys
from app.store.clock import StoreClock
from app.store.deliveries import LoggedAttempt
from tests.builders import LIFE
from tests.peers import Receipt, Receiver, Reply
from tests.workers.ledger import Desk
from workers.attempts import Attempts

TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]
HOOK = "/hook"


def types(receipts: list[Receipt]) -> list[str]:
    return [json.loads(receipt.body)["type"] for receipt in receipts]


def sequences(receipts: list[Receipt]) -> list[int]:
    return [json.loads(receipt.body)["data"]["sequence"] for receipt in receipts]


async def test_the_events_of_a_call_go_out_in_order_and_are_done_with(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    subscription_id = await desk.subscribe(url + HOOK, metadata={"deal": "4711"})
    await desk.happen()

    await desk.deliver_all(desk.deliverer(callbacks))

    receipts = receiver.at(HOOK)
    assert types(receipts) == TYPES
    assert sequences(receipts) == [1, 2, 3, 4, 5]
    data = [json.loads(receipt.body)["data"] for receipt in receipts]
    assert [one["final"] for one in data] == [False] * 4 + [True]
    assert [one["occurred_at"] for one in data] == [time for _, time in LIFE]
    assert {one["subscription_id"] for one in data} == {subscription_id}
    assert all(one["metadata"] == {"deal": "4711"} for one in data)
    assert len({receipt.headers["webhook-id"] for receipt in receipts}) == 5
    assert await desk.claims() == []


async def test_a_delivery_is_signed_with_the_tenants_secret_or_with_the_subscriptions_own(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    own = secret_from_bytes(b"0123456789abcdef0123456789abcdef")
    await desk.subscribe(url + "/tenant")
    await desk.subscribe(url + "/own", secret=own, headers={"authorization": "Bearer of the receiver"})
    await desk.happen(LIFE[:1])

    await desk.deliver_all(desk.deliverer(callbacks))

    (tenants,), (owns,) = receiver.at("/tenant"), receiver.at("/own")
    verify([one.secret for one in desk.tenant.signing_secrets], tenants.headers, tenants.body, int(time.time()))
    verify([own], owns.headers, owns.body, int(time.time()))
    assert owns.headers["authorization"] == "Bearer of the receiver"
    assert "authorization" not in tenants.headers


class SteppingClock(StoreClock):
    """Tells a later time at each look: first an instant before a second is full."""

    def __init__(self) -> None:
        super().__init__()
        self._moments = iter([1710496800.9999, 1710496803.5, 1710496805.5])

    def now(self) -> float:
        return next(self._moments)


async def test_an_attempt_is_logged_with_the_moment_that_was_signed(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    """Not with one reckoned back from its end: the clock may be set in between, and milliseconds are rounded."""
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:1])
    [claim] = await desk.claims()
    attempts = Attempts(callbacks, SteppingClock())

    attempt = await attempts.make(claim, claim.events[0], [b"k" * 32], 1)

    kept = LoggedAttempt.unpack(attempt.logged("delivered").pack())
    assert receiver.at(HOOK)[0].headers["webhook-timestamp"] == "1710496800"
    assert kept.at == 1710496800.999
    assert attempt.ended_at > attempt.sent_at


async def test_events_that_are_not_wanted_are_passed_over(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    await desk.subscribe(url + "/final", events=("final",))
    await desk.subscribe(url + "/two", events=("call.queued", "call.in_progress"))
    await desk.subscribe(url + "/none", events=("call.busy",))
    for length in range(1, len(LIFE) + 1):
        await desk.happen(LIFE[:length])
        await desk.deliver_all(desk.deliverer(callbacks))

    assert types(receiver.at("/final")) == ["call.completed"]
    assert types(receiver.at("/two")) == ["call.queued", "call.in_progress"]
    assert sequences(receiver.at("/two")) == [2, 4]
    assert receiver.at("/none") == []


async def test_a_delivery_that_fails_is_repeated_word_for_word_and_holds_up_the_next(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, Reply(500), Reply(503), Reply(302, headers={"location": f"{url}/elsewhere"}))
    await desk.subscribe(url + HOOK)
    await desk.happen()

    await desk.deliver_all(desk.deliverer(callbacks))

    receipts = receiver.at(HOOK)
    assert sequences(receipts) == [1, 1, 1, 1, 2, 3, 4, 5]
    assert len({(receipt.headers["webhook-id"], receipt.body) for receipt in receipts[:4]}) == 1
    assert receiver.at("/elsewhere") == []


async def test_a_retry_waits_as_long_as_the_receiver_asks(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, Reply(503, headers={"retry-after": "120"}))
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:1])
    (claim,) = await desk.claims()
    await desk.deliverer(callbacks).deliver(desk.partition, claim)

    assert await desk.claims(ahead_seconds=100) == []
    (again,) = await desk.claims(ahead_seconds=121)
    assert again.failures == 1


async def test_a_delivery_that_keeps_failing_leaves_the_fast_lane_and_is_retried_on_its_own(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, *[Reply(500)] * 4)
    await desk.subscribe(url + HOOK)
    await desk.happen()

    await desk.deliver_all(desk.deliverer(callbacks))

    assert sequences(receiver.at(HOOK)) == [1, 1, 1, 1, 2, 3, 4, 5, 1]


async def test_a_delivery_that_failed_to_the_end_is_given_up_and_the_next_events_still_come(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, *[Reply(500)] * 3)
    await desk.subscribe(url + HOOK)
    await desk.happen()

    await desk.deliver_all(desk.deliverer(callbacks, schedule=(0.01, 0.01)))

    assert sequences(receiver.at(HOOK)) == [1, 1, 1, 2, 3, 4, 5]


async def test_a_receiver_that_is_gone_ends_the_subscription_and_the_polling(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, Reply(204), Reply(410))
    subscription_id = await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:3])

    await desk.deliver_all(desk.deliverer(callbacks))

    assert sequences(receiver.at(HOOK)) == [1, 2]
    subscription = await desk.resources.subscriptions.get(subscription_id)
    assert subscription is not None
    assert subscription.status is SubscriptionStatus.DISABLED
    assert (await desk.kept()).next_poll_at == 0


async def test_a_receiver_that_is_gone_does_not_end_the_others(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply("/gone", Reply(410))
    await desk.subscribe(url + "/gone")
    await desk.subscribe(url + "/here")
    await desk.happen(LIFE[:3])
    deliverer = desk.deliverer(callbacks)
    await desk.deliver_all(deliverer)
    await desk.happen()
    await desk.deliver_all(deliverer)

    assert sequences(receiver.at("/gone")) == [1]
    assert sequences(receiver.at("/here")) == [1, 2, 3, 4, 5]


async def test_a_receiver_that_hangs_is_a_failure_like_any_other(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    receiver.reply(HOOK, Reply(hangs=True))
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:2])
    await desk.deliver_all(desk.deliverer(callbacks))
    assert sequences(receiver.at(HOOK)) == [1, 1, 2]


async def test_two_workers_with_one_claim_deliver_twice_at_most_and_only_one_goes_on(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    """A lease that ran out under a slow worker: both send the first event, one of them is too late to record it."""
    await desk.subscribe(url + HOOK)
    await desk.happen()
    (first,) = await desk.claims(lease_seconds=0.0)
    (second,) = await desk.claims(lease_seconds=20.0)
    assert first.cursor == second.cursor == 0

    deliverer = desk.deliverer(callbacks)
    await deliverer.deliver(desk.partition, second)
    # As if it had only just been claimed: one that was held for a while is looked at again.
    await deliverer.deliver(desk.partition, replace(first, claimed_at=desk.resources.ledger.clock.now()))

    receipts = receiver.at(HOOK)
    assert sequences(receipts) == [1, 2, 3, 4, 5, 1]
    assert receipts[0].body == receipts[5].body
    assert receipts[0].headers["webhook-id"] == receipts[5].headers["webhook-id"]


async def test_a_worker_that_winds_down_ends_after_the_event_under_way_and_leaves_the_rest_to_others(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    held_back = Reply(waits_for=asyncio.Event())
    receiver.reply(HOOK, held_back)
    await desk.subscribe(url + HOOK)
    await desk.happen()
    (claim,) = await desk.claims()
    ending, other = desk.deliverer(callbacks), desk.deliverer(callbacks)

    delivering = asyncio.create_task(ending.deliver(desk.partition, claim))
    await receiver.until_at(HOOK, 1)
    ending.wind_down()
    held_back.waits_for.set()
    await delivering

    assert sequences(receiver.at(HOOK)) == [1]
    (rest,) = await desk.claims(ahead_seconds=0)
    assert rest.cursor == 1
    await other.deliver(desk.partition, rest)
    assert sequences(receiver.at(HOOK)) == [1, 2, 3, 4, 5]


async def test_without_its_tenant_nothing_is_sent_unsigned(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.subscribe(url + HOOK)
    await desk.happen(LIFE[:1])
    await desk.resources.ledger.redis.delete(keys.tenant(desk.tenant.id))
    (claim,) = await desk.claims()
    await desk.deliverer(callbacks).deliver(desk.partition, claim)
    assert receiver.receipts == []
    assert "without signing secret" in caplog.text


async def test_nothing_that_is_secret_is_logged(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.reply(HOOK, Reply(500))
    await desk.subscribe(url + HOOK, headers={"authorization": "Bearer of-the-receiver"})
    await desk.happen(LIFE[:1])
    await desk.deliver_all(desk.deliverer(callbacks))
    told = [str(vars(record)) for record in caplog.records if record.name.startswith("workers")]
    assert len(told) == 2
    for secret in (desk.key.connector_id, "of-the-receiver", *(one.secret for one in desk.tenant.signing_secrets)):
        assert not any(secret in line for line in told)
