"""What the last attempt of a delivery sent, told over REST: what a real receiver got, and no secret of anybody."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from app.domain.delivery import DESTINATION_DOWN
from app.domain.errors import InvalidSignature
from app.domain.signing import secret_from_bytes, verify
from app.domain.subscription import SubscriptionStatus
from app.domain.timestamps import unix_seconds
from app.outbound.callback import CallbackClient
from app.resources import Resources
from app.store.deliveries import LoggedAttempt, Settlement
from app.store.subscriptions import SubscriptionChange
from app.store.watches import Recorded
from tests.api.client import CALLBACK_URL, Headers
from tests.api.delivering import DELIVERIES, delivery_id
from tests.builders import ACCOUNT, CONNECTOR, LIFE, PROJECT, make_key
from tests.peers import Receipt, Receiver, Reply
from tests.servers import serve
from tests.store.making import given_up, put_off, settle
from tests.store.sending import partition_of, take
from tests.workers.ledger import Desk

HOOK = "/hook"
OWN_SECRET = secret_from_bytes(b"0123456789abcdef0123456789abcdef")
SIGNED = {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A tenant of the API, a worker that delivers for it, and its receiver."""

    api: httpx.AsyncClient
    desk: Desk
    tenant: Headers
    callbacks: CallbackClient
    receiver: Receiver
    url: str

    async def deliver(self, **wanted: Any) -> str:
        """Deliver the first event of a call, and return its delivery's id."""
        one = await self.desk.subscribe(self.url, **wanted)
        await self.desk.happen(LIFE[:1])
        await self.attempt()
        return delivery_id(one, 1)

    async def attempt(self) -> None:
        """Let what there is to deliver be tried once, whenever it is due."""
        for claim in await self.desk.claims():
            await self.desk.deliverer(self.callbacks).deliver(self.desk.partition, claim)

    async def shown(self, delivery: str) -> dict[str, Any]:
        answer = await self.api.get(f"{DELIVERIES}/{delivery}", headers=self.tenant)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def request_of(self, delivery: str) -> dict[str, Any]:
        request: dict[str, Any] = (await self.shown(delivery))["request"]
        return request

    @property
    def secrets(self) -> list[str]:
        return [one.secret for one in self.desk.tenant.signing_secrets]


@pytest.fixture
async def scene(api: httpx.AsyncClient, resources: Resources) -> AsyncIterator[Scene]:
    made = await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)
    desk = Desk(resources, made.tenant, make_key())
    receiver = Receiver()
    async with (
        CallbackClient(timeout_seconds=1.0, max_connections=10, allow_private=True) as callbacks,
        serve(receiver) as base,
    ):
        yield Scene(
            api, desk, {"Authorization": f"Bearer {made.api_key}"}, callbacks, receiver, f"{base}{HOOK}?deal=4711"
        )


def check_same(request: dict[str, Any], receipt: Receipt) -> None:
    """The receiver got what is shown, but for what is masked."""
    assert request["body"].encode() == receipt.body
    assert {name: receipt.headers[name] for name in SIGNED} == {name: request["headers"][name] for name in SIGNED}


def check_signature(secrets: list[str], request: dict[str, Any]) -> None:
    verify(secrets, request["headers"], request["body"].encode(), int(request["headers"]["webhook-timestamp"]))


async def test_it_is_what_the_receiver_got_and_verifies_as_that_did(scene: Scene) -> None:
    one = await scene.deliver(metadata={"deal": "4711", "who": "Zoë"})

    shown = await scene.shown(one)

    [receipt] = scene.receiver.at(HOOK)
    request = shown["request"]
    check_same(request, receipt)
    check_signature(scene.secrets, request)
    assert request["url"] == scene.url
    assert request["headers"].keys() == SIGNED
    assert request["headers"]["webhook-id"] == shown["event_id"]
    assert json.loads(request["body"])["data"]["metadata"] == {"deal": "4711", "who": "Zoë"}


async def test_it_is_of_the_last_attempt(scene: Scene) -> None:
    scene.receiver.reply(HOOK, Reply(503))
    one = await scene.deliver()
    assert (await scene.shown(one))["attempts_count"] == 1
    check_same(await scene.request_of(one), scene.receiver.at(HOOK)[0])

    await scene.attempt()

    assert (await scene.shown(one))["attempts_count"] == 2
    check_same(await scene.request_of(one), scene.receiver.at(HOOK)[1])


async def test_the_attempts_moment_is_the_one_that_was_signed(scene: Scene) -> None:
    shown = await scene.shown(await scene.deliver())

    [attempt] = shown["attempts"]
    [receipt] = scene.receiver.at(HOOK)
    moment = unix_seconds(attempt["at"])
    assert moment is not None
    assert str(int(moment)) == receipt.headers["webhook-timestamp"]


async def test_what_a_subscription_signs_with_is_used_and_its_headers_are_masked(scene: Scene) -> None:
    given = {"authorization": "Bearer of-the-receiver", "x-deal": "the-deal-nobody-may-see"}
    one = await scene.deliver(secret=OWN_SECRET, headers=given)

    shown = await scene.shown(one)

    request = shown["request"]
    [receipt] = scene.receiver.at(HOOK)
    check_same(request, receipt)
    check_signature([OWN_SECRET], request)
    with pytest.raises(InvalidSignature):
        check_signature(scene.secrets, request)
    assert {name: request["headers"][name] for name in given} == dict.fromkeys(given, "***")
    assert {name: receipt.headers[name] for name in given} == given
    for secret in (*given.values(), OWN_SECRET, *scene.secrets, CONNECTOR):
        assert secret not in json.dumps(shown)


async def test_after_a_rotation_it_verifies_with_the_secrets_of_today(scene: Scene) -> None:
    one = await scene.deliver()
    before = await scene.request_of(one)

    rotated = await scene.api.post("/v1/signing-secrets/rotate", headers=scene.tenant, json={"overlap_seconds": 0})

    after = await scene.request_of(one)
    check_signature([rotated.json()["signing_secret"]], after)
    with pytest.raises(InvalidSignature):
        check_signature(scene.secrets, after)
    assert {**after["headers"], "webhook-signature": ""} == {**before["headers"], "webhook-signature": ""}
    assert after["body"] == before["body"]


async def test_while_secrets_overlap_it_bears_a_signature_with_each(scene: Scene) -> None:
    one = await scene.deliver()

    rotated = await scene.api.post("/v1/signing-secrets/rotate", headers=scene.tenant)

    request = await scene.request_of(one)
    for secret in (rotated.json()["signing_secret"], *scene.secrets):
        check_signature([secret], request)


async def test_metadata_that_was_changed_since_is_not_in_it(scene: Scene, resources: Resources) -> None:
    one = await scene.deliver(metadata={"deal": "before"})
    subscription = await resources.subscriptions.get(f"sub_{one[4:26]}")
    assert subscription is not None
    await resources.subscriptions.change(subscription, SubscriptionChange(metadata={"deal": "after"}))

    check_same(await scene.request_of(one), scene.receiver.at(HOOK)[0])


async def test_a_subscription_that_has_ended_still_shows_it(scene: Scene, resources: Resources) -> None:
    one = await scene.deliver()
    subscription = await resources.subscriptions.get(f"sub_{one[4:26]}")
    assert subscription is not None
    await resources.subscriptions.end(subscription, SubscriptionStatus.CANCELLED)

    check_same(await scene.request_of(one), scene.receiver.at(HOOK)[0])


async def test_nothing_is_shown_before_the_first_attempt(scene: Scene) -> None:
    one = await scene.desk.subscribe(CALLBACK_URL)
    await scene.desk.happen(LIFE[:1])

    assert await scene.request_of(delivery_id(one, 1)) is None


async def test_what_was_given_up_without_an_attempt_shows_the_one_before(scene: Scene, resources: Resources) -> None:
    one = await scene.desk.subscribe(CALLBACK_URL)
    await scene.desk.happen(LIFE[:2])
    tried = LoggedAttempt(1, 1710496800.999, 503, "", 12, b"", "retry")
    await record(resources, put_off(await take(resources, one), "retry", retry_at=0.0), tried)
    for sequence in (1, 2):
        down = LoggedAttempt(sequence, 1710496900.0, 0, DESTINATION_DOWN, 0, b"", "failed")
        await record(resources, given_up(await take(resources, one)), down)

    first, second = [await scene.shown(delivery_id(one, sequence)) for sequence in (1, 2)]

    assert [first["last_error"], second["last_error"]] == [DESTINATION_DOWN] * 2
    assert first["request"]["headers"]["webhook-timestamp"] == "1710496800"
    assert second["request"] is None


async def record(resources: Resources, settlement: Settlement, attempt: LoggedAttempt) -> None:
    partition = partition_of(resources, settlement.member)
    assert await settle(resources, partition, replace(settlement, attempt=attempt)) != [Recorded.STALE]
