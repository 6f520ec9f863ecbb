"""The development receiver, over HTTP, with signatures made by the reference library."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from app.dev.listener import (
    ListenerBehaviour,
    NoSecret,
    Received,
    Rejected,
    Secrets,
    Verified,
    create_listener,
    describe,
)
from tests.servers import serve

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OTHER_SECRET = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="
_EVENT = {
    "type": "call.completed",
    "timestamp": "2024-03-15T10:05:30Z",
    "data": {
        "event_id": "evt_1",
        "sequence": 5,
        "final": True,
        "status": "completed",
        "call_sid": "OUT-1",
        "subscription_id": "sub_1",
        "occurred_at": "2024-03-15T10:05:30Z",
    },
}
_BODY = json.dumps(_EVENT).encode()


def _signed(secret: str, body: bytes = _BODY, *, age: timedelta = timedelta()) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return {
        "content-type": "application/json",
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", at, body.decode()),
    }


@asynccontextmanager
async def _listening(
    secrets: Secrets, behaviour: ListenerBehaviour | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, list[Received]]]:
    received: list[Received] = []
    app = create_listener(secrets, received.append, behaviour or ListenerBehaviour())
    async with serve(app) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        yield client, received


async def test_a_good_signature_is_verified_and_the_delivery_read() -> None:
    async with _listening([_OTHER_SECRET, _SECRET]) as (client, received):
        answer = await client.post("/hooks/calls", content=_BODY, headers=_signed(_SECRET))

    assert (answer.status_code, answer.content) == (204, b"")
    (delivery,) = received
    assert delivery == Received(
        received_at=delivery.received_at,
        path="/hooks/calls",
        verdict=Verified(),
        webhook_id="evt_1",
        event_type="call.completed",
        sequence=5,
        call_sid="OUT-1",
        subscription_id="sub_1",
        status="completed",
        final=True,
        occurred_at="2024-03-15T10:05:30Z",
        body=_BODY,
        answer="204",
        document=_EVENT,
    )
    assert abs(delivery.received_at - datetime.now(UTC).timestamp()) < 60


async def test_a_wrong_secret_a_changed_body_and_an_old_delivery_are_rejected() -> None:
    async with _listening([_SECRET]) as (client, received):
        answers = [
            await client.post("/", content=_BODY, headers=_signed(_OTHER_SECRET)),
            await client.post("/", content=_BODY + b" ", headers=_signed(_SECRET)),
            await client.post("/", content=_BODY, headers=_signed(_SECRET, age=timedelta(minutes=6))),
            await client.post("/", content=_BODY),
        ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(isinstance(delivery.verdict, Rejected) for delivery in received)
    assert answers[0].json() == {"error": "No signature matches."}
    assert "webhook-timestamp" in answers[2].json()["error"]


async def test_until_a_secret_is_known_everything_is_taken_unverified() -> None:
    secrets: list[str] = []

    def known() -> Sequence[str]:
        return secrets

    async with _listening(known) as (client, received):
        before = await client.post("/", content=_BODY, headers=_signed(_OTHER_SECRET))
        secrets.append(_SECRET)
        after = await client.post("/", content=_BODY, headers=_signed(_OTHER_SECRET))
    assert (before.status_code, after.status_code) == (204, 401)
    assert received[0].verdict == NoSecret()
    assert isinstance(received[1].verdict, Rejected)


async def test_a_secret_that_is_none_is_told_as_such() -> None:
    async with _listening(["not a secret"]) as (client, received):
        answer = await client.post("/", content=_BODY, headers=_signed(_SECRET))
    assert answer.status_code == 401
    assert isinstance(received[0].verdict, Rejected)
    assert "whsec_" in received[0].verdict.reason


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"type": 1, "data": []}', b'{"data": {"sequence": "5"}}'])
async def test_what_is_not_an_event_is_recorded_without_its_fields(body: bytes) -> None:
    async with _listening([]) as (client, received):
        answer = await client.post("/", content=body)
    (delivery,) = received
    assert answer.status_code == 204
    assert (delivery.event_type, delivery.sequence, delivery.call_sid, delivery.body) == (
        None,
        None,
        None,
        body,
    )


async def test_only_posts_of_a_reasonable_size_are_taken() -> None:
    async with _listening([]) as (client, received):
        fetched = await client.get("/")
        large = await client.post("/", content=b"x" * (1024 * 1024 + 1))
    assert (fetched.status_code, large.status_code) == (405, 413)
    assert received == []


async def test_it_can_play_a_receiver_in_trouble_for_a_while() -> None:
    trouble = ListenerBehaviour(status=503, headers={"Retry-After": "7"}, first_requests=2)
    async with _listening([_SECRET], trouble) as (client, received):
        answers = [await client.post("/", content=_BODY, headers=_signed(_SECRET)) for _ in range(3)]
        forged = await client.post("/", content=_BODY)
    assert [answer.status_code for answer in answers] == [503, 503, 204]
    assert answers[0].headers["retry-after"] == "7"
    assert forged.status_code == 401
    assert len(received) == 4


async def test_a_delay_holds_back_the_answer_and_not_the_record() -> None:
    received = asyncio.Event()
    app = create_listener([], lambda _: received.set(), ListenerBehaviour(delay_seconds=60))
    async with serve(app) as base_url, httpx.AsyncClient(base_url=base_url) as client:
        posting = asyncio.create_task(client.post("/", content=_BODY))
        async with asyncio.timeout(10):
            await received.wait()
        assert not posting.done()
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)


def _received(**changes: Any) -> Received:
    values: dict[str, Any] = {
        "received_at": 0.5,
        "path": "/",
        "verdict": Verified(),
        "webhook_id": "evt_1",
        "event_type": "call.completed",
        "sequence": 5,
        "call_sid": "OUT-1",
        "subscription_id": "sub_1",
        "status": "completed",
        "final": True,
        "occurred_at": None,
        "body": b"",
    }
    return Received(**values | changes)


def test_a_delivery_is_one_line() -> None:
    assert describe(_received()).split() == [
        *("00:00:00.500", "OUT-1", "#5", "call.completed", "final", "verified", "evt_1")
    ]
    assert "REJECTED: No signature matches." in describe(_received(verdict=Rejected("No signature matches.")))
    assert "unverified" in describe(_received(verdict=NoSecret()))


def test_a_sender_cannot_steer_the_terminal() -> None:
    line = describe(_received(call_sid="\x1b[2J\nOUT-1", event_type="call.\r", webhook_id="\u202eevt"))
    assert line.isprintable()
    assert "?[2J?OUT-1" in line
