"""Signing secrets rotated again and again while deliveries flow, before a receiver that does as the API says."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.errors import InvalidSignature
from app.domain.signing import verify
from app.domain.timestamps import parse_timestamp
from tests.e2e.conftest import BUSY_TIMEOUT_SECONDS
from tests.e2e.stack import Stack, new_tenant, open_client
from tests.peers import eventually
from tests.servers import serve
from workers.signing_keys import FRESH_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

LIFE = [(0.0, "CREATED"), (0.1, "queued"), (0.2, "ringing"), (0.4, "in-progress"), (0.6, "completed")]
# Longer than an attempt that was signed before a rotation can take to arrive: then no grace is needed.
OVERLAP_SECONDS = 2 * (FRESH_SECONDS + BUSY_TIMEOUT_SECONDS)
# With an overlap of 0 it is.
GRACE_SECONDS = 2 * (FRESH_SECONDS + BUSY_TIMEOUT_SECONDS)
ROTATIONS = (OVERLAP_SECONDS, OVERLAP_SECONDS, 0.0, OVERLAP_SECONDS, OVERLAP_SECONDS + 1)
FLOWS = 3
CALLS_EACH = 5


class CarefulReceiver:
    """Verifies what arrives with the secrets that it holds at that moment, each until a Unix time."""

    def __init__(self, secret: str) -> None:
        self.first = secret
        self.newest = secret
        self.held = {secret: float("inf")}
        self.arrived: Counter[str] = Counter()
        self.refused: list[str] = []
        # For each secret how many deliveries bore it as the newest, and how many signatures deliveries bore.
        self.newest_of: Counter[str] = Counter()
        self.signatures: set[int] = set()
        self.first_would_have_refused = 0

    def learn(self, rotated: dict[str, Any]) -> None:
        """Do what the API says: accept the new one, keep the others until they expire, or for the grace."""
        ends = {one["hint"]: one["expires_at"] for one in rotated["previous"]}
        for secret in list(self.held):
            end = parse_timestamp(ends.get(secret.rstrip("=")[-4:]) or "")
            drop_at = end.timestamp() if end else time.time() + GRACE_SECONDS
            self.held[secret] = min(self.held[secret], drop_at)
        self.newest = rotated["signing_secret"]
        self.held[self.newest] = float("inf")

    def forget(self) -> None:
        """Drop what is over."""
        self.held = {secret: end for secret, end in self.held.items() if time.time() < end}

    async def until_arrived(self, more: int) -> None:
        wanted = self.arrived.total() + more

        async def arrived() -> bool:
            return self.arrived.total() >= wanted

        await eventually(arrived, f"{more} more deliveries")

    async def until_complete(self, paths: Sequence[str]) -> None:
        """Wait until a whole call has arrived at each path."""

        async def complete() -> bool:
            return all(self.arrived[path] >= len(LIFE) for path in paths)

        await eventually(complete, f"{len(paths)} calls from beginning to end")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body, headers = await request.body(), dict(request.headers)
        self.forget()
        genuine = _verifies(list(self.held), headers, body)
        if not genuine:
            self.refused.append(f"{headers} with {len(self.held)} secrets held")
        signatures = headers["webhook-signature"].split()
        self.signatures.add(len(signatures))
        self.first_would_have_refused += not _verifies([self.first], headers, body)
        first_only = {**headers, "webhook-signature": signatures[0]}
        if _verifies([self.newest], first_only, body):
            self.newest_of[self.newest] += 1
        self.arrived[request.url.path] += 1
        await Response(status_code=204 if genuine else 401)(scope, receive, send)


def _verifies(secrets: list[str], headers: dict[str, str], body: bytes) -> bool:
    try:
        verify(secrets, headers, body, int(time.time()))
    except InvalidSignature:
        return False
    return True


async def _flow(stack: Stack, api: httpx.AsyncClient, receiver: CarefulReceiver, url: str) -> None:
    """Follow one batch of calls after the other, for ever."""
    while True:
        sids = await stack.place(CALLS_EACH, LIFE)
        for sid in sids:
            wanted = {"call_sid": sid, "callback_url": f"{url}/{sid}"}
            (await api.post("/v1/subscriptions", json=wanted)).raise_for_status()
        await receiver.until_complete([f"/{sid}" for sid in sids])


async def _rotate(api: httpx.AsyncClient, receiver: CarefulReceiver, overlap_seconds: float) -> None:
    answer = await api.post("/v1/signing-secrets/rotate", json={"overlap_seconds": overlap_seconds})
    assert answer.status_code == 200, answer.text
    receiver.learn(answer.json())

    async def signs() -> bool:
        return receiver.newest_of[receiver.newest] >= CALLS_EACH

    await eventually(signs, "the new secret signs")


async def _rotate_under_load(stack: Stack, api: httpx.AsyncClient, receiver: CarefulReceiver, url: str) -> None:
    flows = [asyncio.create_task(_flow(stack, api, receiver, url)) for _ in range(FLOWS)]
    try:
        await receiver.until_arrived(1)
        for overlap_seconds in ROTATIONS:
            await _rotate(api, receiver, overlap_seconds)

        async def alone() -> bool:
            receiver.forget()
            return len(receiver.held) == 1

        await eventually(alone, "only the newest secret is left")
        await receiver.until_arrived(CALLS_EACH * len(LIFE))
    finally:
        for flow in flows:
            flow.cancel()
        ended = await asyncio.gather(*flows, return_exceptions=True)
    assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []


async def test_no_delivery_fails_verification_while_secrets_are_rotated(busy: Stack) -> None:
    tenant = await new_tenant(busy.admin)
    receiver = CarefulReceiver(tenant["signing_secret"])
    async with (
        serve(receiver) as url,
        open_client(str(busy.api.base_url), tenant["api_key"]) as api,
    ):
        await _rotate_under_load(busy, api, receiver, url)
        listed = (await api.get("/v1/signing-secrets")).json()["items"]

    assert receiver.refused == []
    # It was put to the test: every secret has signed as the newest, alone and beside others, and the first one
    # has not sufficed.
    assert len(receiver.newest_of) == len(ROTATIONS) + 1
    assert {1, 2} <= receiver.signatures
    assert receiver.first_would_have_refused
    assert [receiver.newest.rstrip("=")[-4:]] == [one["hint"] for one in listed]
