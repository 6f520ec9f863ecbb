"""The receivers of docs/receiving.md against the real service, as processes of their own languages."""

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.dev.embedded_redis import free_port
from app.dev.simulator import SimulatorSettings
from tests.builders import LIFE
from tests.e2e.documented import INTERPRETERS, DocumentedReceiver, event_body, signed, with_failing_work
from tests.e2e.stack import Stack, new_sid, new_tenant, open_client, running
from tests.peers import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

QUICK_LIFE = [(0.0, "CREATED"), (0.1, "queued"), (0.2, "ringing"), (0.4, "in-progress"), (0.6, "completed")]
FOREIGN_SECRET = "whsec_" + base64.b64encode(b"somebody else's key, not ours").decode()
_OFTEN = 0.2


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def patient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that asks often, and gives nothing up while a receiver is started anew."""
    pace: dict[str, Any] = dict.fromkeys(("poll_early_seconds", "poll_early_max_seconds"), _OFTEN)
    pace |= dict.fromkeys(("poll_in_progress_seconds", "poll_in_progress_max_seconds"), _OFTEN)
    async with running(
        tmp_path_factory.mktemp("patient"),
        simulator=SimulatorSettings(error_share=0, slow_share=0),
        delivery_retry_seconds=",".join(["0.2"] * 200),
        **pace,
    ) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=list(INTERPRETERS))
async def receiver(
    request: pytest.FixtureRequest, patient: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DocumentedReceiver]:
    """One of the receivers, running."""
    if shutil.which(INTERPRETERS[request.param]) is None:
        pytest.skip(f"needs {request.param}")
    tenant = await new_tenant(patient.admin)
    async with open_client(str(patient.api.base_url), tenant["api_key"]) as api:
        folder = tmp_path_factory.mktemp(request.param)
        documented = DocumentedReceiver(request.param, folder, free_port(), api, [tenant["signing_secret"]])
        try:
            await documented.start()
            yield documented
        finally:
            documented.kill()


async def test_a_call_is_stored_once_and_worked_on_in_order_from_its_begin_to_its_end(
    patient: Stack, receiver: DocumentedReceiver
) -> None:
    (sid,) = await patient.place(1, QUICK_LIFE)
    subscription = await receiver.subscribe(sid)

    assert await receiver.until_worked_on(sid, 5) == [1, 2, 3, 4, 5]
    deliveries = await until_delivered(receiver, sid, attempts=1)
    assert [one["last_status_code"] for one in deliveries] == [204] * 5
    assert receiver.stored() == sorted(one["event_id"] for one in deliveries)

    answer = await receiver.api.post(f"/v1/subscriptions/{subscription['id']}/replay")
    assert answer.json() == {"queued": 5}
    again = await until_delivered(receiver, sid, attempts=2)

    assert [one["last_status_code"] for one in again] == [204] * 5
    assert receiver.stored() == sorted(one["event_id"] for one in deliveries)
    # What comes later is worked on later.
    body = event_body("OUT-later")
    assert (await receiver.send(signed(receiver.secrets[0], "evt_later", body), body)).status_code == 204
    await receiver.until_worked_on("OUT-later", 1)
    assert receiver.worked_on(sid) == [1, 2, 3, 4, 5]


async def test_what_is_not_genuine_or_not_a_delivery_is_refused(receiver: DocumentedReceiver) -> None:
    secret, body, before = receiver.secrets[0], event_body("OUT-forged"), receiver.stored()
    genuine = signed(secret, "evt_forged", body)
    forged = signed(FOREIGN_SECRET, "evt_forged", body)
    refused = [
        (forged, body),
        (genuine, body + b" "),
        (genuine | {"webhook-id": "evt_other"}, body),
        (genuine | {"webhook-timestamp": str(int(time.time()) + 1)}, body),
        (genuine | {"webhook-signature": ""}, body),
        (genuine | {"webhook-signature": genuine["webhook-signature"].replace("v1,", "v2,")}, body),
        ({}, body),
        (signed(secret, "evt_forged", body, time.time() - 310), body),
        (signed(secret, "evt_forged", body, time.time() + 310), body),
    ]
    for headers, sent in refused:
        assert (await receiver.send(headers, sent)).status_code == 401
    huge = b"x" * 100_000
    assert (await receiver.send(signed(secret, "evt_huge", huge), huge)).status_code == 413
    read = await receiver.send(genuine, b"", "GET")
    assert (read.status_code, read.headers["allow"]) == (405, "POST")
    assert receiver.stored() == before

    # One of several signatures is enough; and of what comes several times at once, one is kept.
    both = {"webhook-signature": f"{forged['webhook-signature']} {genuine['webhook-signature']}"}
    answers = await asyncio.gather(*(receiver.send(genuine | both, body) for _ in range(8)))
    assert [one.status_code for one in answers] == [204] * 8
    assert receiver.stored() == sorted([*before, "evt_forged"])


async def test_a_receiver_that_was_killed_gets_the_rest_when_it_is_back(
    patient: Stack, receiver: DocumentedReceiver
) -> None:
    sid, before = new_sid(), receiver.stored()
    patient.tell(sid, LIFE[:3])
    await receiver.subscribe(sid)
    await receiver.until_worked_on(sid, 3)
    receiver.kill()
    patient.tell(sid, LIFE)

    async def knocked_in_vain() -> bool:
        return any(one["last_error"] == "connect" for one in await receiver.deliveries(sid))

    await eventually(knocked_in_vain, "an event did not arrive")
    await receiver.start()

    # What it was working on when it was killed it works on again.
    assert list(dict.fromkeys(await receiver.until_worked_on(sid, 5))) == [1, 2, 3, 4, 5]
    deliveries = await until_delivered(receiver, sid, attempts=1)
    assert receiver.stored() == sorted([*before, *(one["event_id"] for one in deliveries)])


async def test_a_rotated_secret_is_taken_over_without_a_refusal(patient: Stack, receiver: DocumentedReceiver) -> None:
    [old] = receiver.secrets
    answer = await receiver.api.post("/v1/signing-secrets/rotate", json={"overlap_seconds": 3600})
    new = answer.raise_for_status().json()["signing_secret"]
    await call_arrives_without_a_refusal(patient, receiver)
    await receiver.start_anew(new, old)
    await call_arrives_without_a_refusal(patient, receiver)
    body = event_body("OUT-rotated")
    statuses = [
        (await receiver.send(signed(secret, "evt_rotated", body), body)).status_code
        for secret in (old, new, FOREIGN_SECRET)
    ]
    assert statuses == [204, 204, 401]

    await receiver.start_anew(new)
    assert (await receiver.send(signed(old, "evt_rotated", body), body)).status_code == 401
    ping = await receiver.api.post("/v1/callbacks/test", json={"callback_url": receiver.url})
    assert ping.json()["status_code"] == 204


async def test_what_cannot_be_stored_is_asked_for_again(receiver: DocumentedReceiver) -> None:
    ping = {"callback_url": receiver.url}
    aside = receiver.inbox.rename(receiver.folder / "aside")
    receiver.inbox.touch()
    assert (await receiver.api.post("/v1/callbacks/test", json=ping)).json()["status_code"] == 503
    receiver.inbox.unlink()
    aside.rename(receiver.inbox)

    assert (await receiver.api.post("/v1/callbacks/test", json=ping)).json()["status_code"] == 204


async def test_work_that_fails_holds_up_its_own_call_and_no_other(receiver: DocumentedReceiver, tmp_path: Path) -> None:
    await receiver.start_anew(sources=with_failing_work(receiver.language, tmp_path))
    stuck = receiver.inbox / "OUT-stuck"
    stuck.touch()
    for call_sid, sequence in ((stuck.name, 1), (stuck.name, 2), ("OUT-free", 1)):
        body = event_body(call_sid, sequence)
        headers = signed(receiver.secrets[0], f"evt_{call_sid}_{sequence}", body)
        assert (await receiver.send(headers, body)).status_code == 204

    await receiver.until_worked_on("OUT-free", 1)
    assert receiver.worked_on(stuck.name) == []
    stuck.unlink()

    assert await receiver.until_worked_on(stuck.name, 2) == [1, 2]
    await receiver.start_anew()


async def call_arrives_without_a_refusal(patient: Stack, receiver: DocumentedReceiver) -> None:
    sid = new_sid()
    patient.tell(sid, LIFE)
    await receiver.subscribe(sid)
    assert await receiver.until_worked_on(sid, 5) == [1, 2, 3, 4, 5]
    deliveries = await until_delivered(receiver, sid, attempts=1)
    assert [one["attempts_count"] for one in deliveries] == [1] * 5


async def until_delivered(receiver: DocumentedReceiver, sid: str, attempts: int) -> list[dict[str, Any]]:
    """Wait until each of a call's events was attempted so often and has arrived, and return the deliveries."""
    found: list[dict[str, Any]] = []

    async def delivered() -> bool:
        found[:] = await receiver.deliveries(sid)
        return all(one["status"] == "delivered" and one["attempts_count"] >= attempts for one in found)

    await eventually(delivered, "everything is delivered")
    return found
