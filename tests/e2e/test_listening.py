"""`ringback listen` beside the real service."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.dev.embedded_redis import free_port
from tests.builders import LIFE
from tests.e2e.stack import Stack, new_sid

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]


@asynccontextmanager
async def _listening(stack: Stack, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    common = ("--api", str(stack.api.base_url), "--key", stack.api_key)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "listen", *common, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    return [(await process.stdout.readline()).decode() for _ in range(count)]


async def test_it_subscribes_verifies_and_shows_what_comes(shared: Stack) -> None:
    sid = new_sid()
    shared.tell(sid, LIFE)
    async with _listening(shared, "--port", str(free_port()), "--subscribe", sid) as process:
        _, subscribed, *shown = await _lines(process, 7)
        process.terminate()
        _, notes = await process.communicate()
    assert sid in subscribed
    assert [line.split()[3] for line in shown] == TYPES
    assert all("verified" in line for line in shown)
    assert process.returncode == 0
    assert "5 deliveries, 0 repeated, 0 out of order, 0 rejected" in notes.decode()


@pytest.mark.parametrize("failure", ["reset", "close"])
async def test_what_it_breaks_off_comes_again(shared: Stack, failure: str) -> None:
    sid = new_sid()
    shared.tell(sid, LIFE[:1])
    words = ("--port", str(free_port()), "--subscribe", sid, "--fail", failure, "--first", "1", "--json")
    async with _listening(shared, *words) as process:
        first, second = [json.loads(line) for line in await _lines(process, 2)]
    assert (first["answer"], second["answer"]) == (failure, "204")
    assert first["webhook_id"] == second["webhook_id"]
    assert second["notes"] == ["again"]


async def test_it_reads_streams_until_their_calls_have_ended(shared: Stack) -> None:
    sids = [new_sid(), new_sid()]
    for sid in sids:
        shared.tell(sid, LIFE[:2])
        await shared.subscribe(sid)
    words = ("--stream", "--json", *(word for sid in sids for word in ("--subscribe", sid)))
    async with _listening(shared, *words) as process:
        before = [json.loads(line) for line in await _lines(process, 4)]
        for sid in sids:
            shared.tell(sid, LIFE)
        rest, _ = await process.communicate()
    after = [json.loads(line) for line in rest.decode().splitlines()]
    for sid in sids:
        told = [one["event"]["type"] for one in before + after if one["event"]["data"]["call_sid"] == sid]
        assert told == TYPES
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--stream", "--subscribe", "OUT-nobodys"), "subscription"),
        (("--stream", "--key", "rbk_nobodys"), "--key"),
        (("--subscribe", "nonsense"), "OUT-"),
        (("--stream", "--events", "nonsense"), "event type"),
    ],
)
async def test_what_cannot_be_is_told_in_a_line(shared: Stack, words: tuple[str, ...], hint: str) -> None:
    async with _listening(shared, "--port", str(free_port()), *words) as process:
        async with asyncio.timeout(20):
            _, said = await process.communicate()
    assert process.returncode != 0
    assert hint in said.decode()
    assert "Traceback" not in said.decode()
