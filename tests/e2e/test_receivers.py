"""Receivers that fail, vanish, redirect or hang."""

import time

import pytest

from app.domain.signing import verify
from tests.builders import LIFE
from tests.e2e.stack import Stack, data_of, new_path, new_sid
from tests.peers import Receipt, Reply, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("crowd")]


def sequences(receipts: list[Receipt]) -> list[int]:
    return [data_of(receipt)["sequence"] for receipt in receipts]


async def test_a_receiver_that_recovers_gets_everything_in_order_and_each_attempt_word_for_word(shared: Stack) -> None:
    sid, path = new_sid(), new_path()
    patience = {"retry-after": "2"}
    elsewhere = {"location": f"{shared.receiver_url}/elsewhere"}
    shared.receiver.reply(path, Reply(503, headers=patience), Reply(302, headers=elsewhere), Reply(500))
    shared.tell(sid, LIFE)
    await shared.subscribe(sid, path)

    receipts = await shared.receiver.until_at(path, 8)

    assert sequences(receipts) == [1, 1, 1, 1, 2, 3, 4, 5]
    attempts = receipts[:4]
    assert len({(one.headers["webhook-id"], one.body) for one in attempts}) == 1
    for one in attempts:
        verify([shared.signing_secret], one.headers, one.body, int(time.time()))
    # The second attempt came two seconds after the first, as the receiver asked.
    assert int(attempts[1].headers["webhook-timestamp"]) > int(attempts[0].headers["webhook-timestamp"])
    assert attempts[1].headers["webhook-signature"] != attempts[0].headers["webhook-signature"]
    assert shared.receiver.at("/elsewhere") == []


async def test_a_receiver_that_is_gone_is_left_alone_and_its_call_too(shared: Stack) -> None:
    sid, other, path = new_sid(), new_sid(), new_path()
    shared.receiver.reply(path, then=Reply(410))
    for one in (sid, other):
        shared.tell(one, LIFE[:2])
    subscription = await shared.subscribe(sid, path)
    await shared.subscribe(other)

    async def disabled() -> bool:
        return await shared.status(subscription) == "disabled"

    await eventually(disabled, "the subscription is disabled")
    # A poll that a worker had planned already may still go out; the other call tells the time.
    await shared.upstream.until_polled(other, shared.upstream.polls[other] + 2)
    polls = shared.upstream.polls[sid]
    shared.tell(sid, LIFE)
    await shared.upstream.until_polled(other, shared.upstream.polls[other] + 1)
    assert shared.upstream.polls[sid] == polls
    assert sequences(shared.receiver.at(path)) == [1]
    call = (await shared.api.get(f"/v1/calls/{sid}")).json()
    assert call["polling"]["next_poll_at"] is None
    shared.tell(other, LIFE)


async def test_a_receiver_that_hangs_delays_nobody_else(shared: Stack) -> None:
    sid, hanging, healthy = new_sid(), new_path(), new_path()
    shared.receiver.reply(hanging, Reply(hangs=True))
    shared.tell(sid, LIFE[:1])
    await shared.subscribe(sid, hanging)
    await shared.receiver.until_at(hanging, 1)

    await shared.subscribe(sid, healthy)
    shared.tell(sid, LIFE)

    assert sequences(await shared.receiver.until_at(healthy, 5)) == [1, 2, 3, 4, 5]
    assert sequences(shared.receiver.at(hanging)) == [1]


async def test_a_delivery_that_keeps_failing_holds_up_the_others_only_for_a_while(shared: Stack) -> None:
    sid, path = new_sid(), new_path()
    shared.receiver.reply(path, *[Reply(500)] * 4)
    shared.tell(sid, LIFE)
    await shared.subscribe(sid, path)

    receipts = await shared.receiver.until_at(path, 9)

    assert sequences(receipts)[:4] == [1, 1, 1, 1]
    accepted = sequences([one for one in receipts if one.status == 204])
    assert sorted(accepted) == [1, 2, 3, 4, 5]
    assert [one for one in accepted if one > 1] == [2, 3, 4, 5]


async def test_a_subscription_that_was_deleted_gets_nothing_more(shared: Stack) -> None:
    sid, leaving, staying = new_sid(), new_path(), new_path()
    shared.tell(sid, LIFE[:2])
    subscription = await shared.subscribe(sid, leaving)
    await shared.subscribe(sid, staying)
    await shared.receiver.until_at(leaving, 2)

    answer = await shared.api.delete(f"/v1/subscriptions/{subscription['id']}")
    assert answer.status_code == 204
    shared.tell(sid, LIFE)

    await shared.receiver.until_at(staying, 5)
    assert sequences(shared.receiver.at(leaving)) == [1, 2]
    assert await shared.status(subscription) == "cancelled"
