"""The same client, pointed at the upstream and at the mirror, sees the same while calls live."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from app.domain.timestamps import parse_timestamp
from tests.e2e.stack import ACCOUNT, CONNECTOR, PROJECT, Stack, new_path
from tests.peers import PATIENCE_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

# Written from the vendor's page: this is what a client of the upstream knows.
TERMINAL = {"completed", "failed", "no-answer", "busy", "cancelled"}
TIMES = {"created_at", "last_updated"}
# Retry with backoff, says the page of this one.
FAILED = 500
_PAUSE_SECONDS = 0.1
_CALLS = 12


@dataclass
class PollingClient:
    """A CRM's own poller, which knows of a base address and of nothing else that is ours."""

    base_url: str
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def follow(self, call_sid: str) -> None:
        """Poll a call to its end, and keep every answer that differs from the one before."""
        seen = self.answers.setdefault(call_sid, [])
        async with self._connected() as client:
            while not seen or seen[-1]["status"] not in TERMINAL:
                answer = await client.get(call_path(call_sid), headers={"X-CONNECTOR-ID": CONNECTOR})
                if answer.status_code != FAILED:
                    assert answer.status_code == 200, answer.text
                    if not seen or seen[-1] != answer.json():
                        seen.append(answer.json())
                await asyncio.sleep(_PAUSE_SECONDS)

    async def ask(self, path: str, headers: Mapping[str, str]) -> tuple[int, str, Any]:
        """Return what there is to see of an answer, asked for again while it is a passing failure."""
        async with self._connected() as client:
            while True:
                answer = await client.get(path, headers=headers)
                if answer.status_code != FAILED:
                    return answer.status_code, answer.headers["content-type"], answer.json()
                await asyncio.sleep(_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            yield client


def call_path(call_sid: str, account: str = ACCOUNT, project: str = PROJECT) -> str:
    return f"/api/v1/{account}/{project}/outbound-call/status/{call_sid}"


async def test_a_client_of_the_upstream_sees_the_same_calls_in_the_mirror(shared: Stack) -> None:
    upstream, mirror = PollingClient(shared.simulator_url), PollingClient(str(shared.api.base_url))

    async def follow(call_sid: str) -> None:
        path = new_path()
        await shared.subscribe(call_sid, path)
        # On a busy machine the first poll may take longer than the mirror waits for it.
        await shared.receiver.until_at(path, 1)
        await asyncio.gather(upstream.follow(call_sid), mirror.follow(call_sid))

    sids = await shared.place(_CALLS)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        for sid in sids:
            tasks.create_task(follow(sid))

    truths = {entry["call_sid"]: entry["history"] for entry in await shared.log()}
    for sid in sids:
        truth = [(entry["status"], parse_timestamp(entry["timestamp"])) for entry in truths[sid]]
        for answers in (upstream.answers[sid], mirror.answers[sid]):
            assert [_history(answer) for answer in answers] == [truth[: len(_history(answer))] for answer in answers]
            assert all(len(_history(one)) < len(_history(other)) for one, other in pairwise(answers))
            assert all(answer["status"] == _history(answer)[-1][0] for answer in answers)
        first, last = mirror.answers[sid][0], mirror.answers[sid][-1]
        assert _shape(first) == _shape(upstream.answers[sid][0]) | {"event_history": _shape(first)["event_history"]}
        assert _comparable(last) == _comparable(upstream.answers[sid][-1])
        assert _shape(last) == _shape(upstream.answers[sid][-1])


async def test_a_client_of_the_upstream_is_refused_alike_by_the_mirror(shared: Stack) -> None:
    # A call of its own: the upstream counts who asks it, and other tests look at that.
    [followed] = await shared.place(1)
    await shared.subscribe(followed)
    known = {"X-CONNECTOR-ID": CONNECTOR}
    requests: Sequence[tuple[str, Mapping[str, str]]] = [
        (call_path(followed), {}),
        (call_path(followed), {"X-CONNECTOR-ID": ""}),
        (call_path(followed), {"X-CONNECTOR-ID": "somebody-else's"}),
        (call_path("OUT-never-placed"), {"X-CONNECTOR-ID": "somebody-else's"}),
        (call_path("no-sid"), {"X-CONNECTOR-ID": "somebody-else's"}),
        (call_path(followed, account="acc-other"), known),
        (call_path(followed, project="proj-other"), known),
        (call_path("OUT-never-placed"), known),
        (call_path("no-sid"), known),
        (call_path("OUT-"), known),
        (call_path("out-550e8400"), known),
        (call_path("OUT-%20"), known),
    ]
    upstream, mirror = PollingClient(shared.simulator_url), PollingClient(str(shared.api.base_url))

    answers = [(await upstream.ask(*request), await mirror.ask(*request)) for request in requests]

    assert [theirs for theirs, _ in answers] == [ours for _, ours in answers]
    assert {code for (code, *_), _ in answers} == {400, 401, 404}


def _history(answer: Mapping[str, Any]) -> list[tuple[str, datetime | None]]:
    return [(status, parse_timestamp(at)) for entry in answer["event_history"] for status, at in entry.items()]


def _comparable(value: object, name: str = "") -> object:
    """Return a document with times as instants: the mirror writes a time without zeros at the end of its fraction."""
    if isinstance(value, dict):
        return {key: _comparable(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [{status: parse_timestamp(at) for status, at in entry.items()} for entry in value]
    return parse_timestamp(value) if name in TIMES else value


def _shape(value: object) -> Any:
    """Return the keys and the types of a document, all the way down."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    return [_shape(one) for one in value] if isinstance(value, list) else type(value)
