"""What was given up or delivered, sent again: a real receiver gets it in order, word for word."""

import json

import pytest

from app.domain import ids
from app.outbound.callback import CallbackClient
from app.resources import Resources
from app.service.deliveries import DeliveryService
from tests.peers import Receiver, Reply
from tests.servers import serve
from tests.workers.ledger import Desk, open_desk

HOOK = "/hook"
SCHEDULE = (0.01, 0.01)


@pytest.fixture
def service(resources: Resources) -> DeliveryService:
    return resources.service.deliveries


def _sequences(receiver: Receiver) -> list[int]:
    return [json.loads(receipt.body)["data"]["sequence"] for receipt in receiver.at(HOOK)]


async def _deliver(desk: Desk) -> None:
    async with CallbackClient(timeout_seconds=1.0, max_connections=10, allow_private=True) as client:
        await desk.deliver_all(desk.deliverer(client, SCHEDULE))


async def test_a_replay_repeats_every_event_in_order_and_word_for_word(
    resources: Resources, service: DeliveryService
) -> None:
    desk, receiver = await open_desk(resources), Receiver()
    async with serve(receiver) as url:
        one = await desk.subscribe(url + HOOK, metadata={"deal": "4711"})
        await desk.happen()
        await _deliver(desk)

        assert await service.replay(desk.tenant, one, None) == 5
        await _deliver(desk)

    said = [(receipt.headers["webhook-id"], receipt.body) for receipt in receiver.at(HOOK)]
    assert _sequences(receiver) == [1, 2, 3, 4, 5] * 2
    assert said[:5] == said[5:]
    assert await desk.claims() == []


async def test_what_a_receiver_did_not_take_arrives_in_order_once_it_does(
    resources: Resources, service: DeliveryService
) -> None:
    desk, receiver = await open_desk(resources), Receiver()
    receiver.reply(HOOK, *[Reply(404)] * (3 * 5))
    async with serve(receiver) as url:
        one = await desk.subscribe(url + HOOK)
        await desk.happen()
        await _deliver(desk)
        assert len(receiver.at(HOOK)) == 3 * 5
        failed = await service.get(desk.tenant, ids.delivery_id(one, 2))
        assert (failed.status.value, [attempt.status_code for attempt in failed.attempts]) == ("failed", [404] * 3)

        assert (await service.retry_failed(desk.tenant, None, None)).queued == 5
        await _deliver(desk)

    assert _sequences(receiver)[15:] == [1, 2, 3, 4, 5]
    assert (await service.get(desk.tenant, failed.id)).status.value == "delivered"


async def test_one_that_is_retried_by_hand_has_the_whole_schedule_before_it(
    resources: Resources, service: DeliveryService
) -> None:
    desk, receiver = await open_desk(resources), Receiver()
    async with serve(receiver) as url:
        one = await desk.subscribe(url + HOOK)
        await desk.happen()
        await _deliver(desk)
        receiver.reply(HOOK, Reply(404), Reply(404), Reply(404))

        await service.retry(desk.tenant, ids.delivery_id(one, 3))
        await _deliver(desk)

    assert _sequences(receiver)[5:] == [3, 3, 3]
    again = await service.get(desk.tenant, ids.delivery_id(one, 3))
    assert (again.status.value, len(again.attempts)) == ("failed", 4)
