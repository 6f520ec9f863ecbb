"""Two releases side by side, the second with a layout of its own: as processes, out of sources made from these.

The next release comes in two steps: one that reads both layouts and writes the old one, then one that writes the new.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.dev.embedded_redis import free_port
from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, running
from tests.peers import eventually
from tests.processes import ROOT, Process, ringback, start_worker, until_ready

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

CALLS = 12
LIFE = [(0.0, "CREATED"), (1.0, "queued"), (2.5, "ringing"), (4.0, "in-progress"), (6.0, "completed")]
_READS_BOTH = (
    ("READS = frozenset({1})", "READS = frozenset({1, 2})"),
    (
        "    fields: list[Any] = msgpack.unpackb(data[1:], strict_map_key=False)\n    return fields",
        "    fields: list[Any] = msgpack.unpackb(data[1:], strict_map_key=False)\n    return fields[data[0] == 2 :]",
    ),
)
# The new layout has one more field, in front, where the old one's readers would trip over it.
_WRITES_NEW = (
    ("WRITES = 1", "WRITES = 2"),
    ("packed: bytes = msgpack.packb(fields)", 'packed: bytes = msgpack.packb(["added", *fields])'),
)


def next_release(folder: Path, *, writes: bool) -> Path:
    """Copy the sources and change the codec as a release with another layout would."""
    for package in ("app", "workers"):
        # With what is compiled of them: a copy keeps the sources' times.
        shutil.copytree(ROOT / package, folder / package)
    codec = folder / "app" / "store" / "codec.py"
    text = codec.read_text()
    for before, after in (*_READS_BOTH, *(_WRITES_NEW if writes else ())):
        assert before in text
        text = text.replace(before, after)
    codec.write_text(text)
    return folder


@dataclass
class Releases:
    """The stack, whose API and workers are of this release, and processes of the two that follow."""

    stack: Stack
    exits: AsyncExitStack
    reads: Path
    writes: Path

    async def start(self, kind: str, root: Path, port: int = 0) -> Process:
        settings = self.stack.settings | {"RINGBACK_WORKER_PORT": str(port)}
        log_path = self.stack.folder / f"{root.name}-{kind}.log"
        process = ringback("worker", kind, settings=settings, log_path=log_path, root=root)
        self.exits.callback(process.kill)
        await start_worker(process)
        return process


@pytest_asyncio.fixture(loop_scope="session")
async def releases(tmp_path: Path) -> AsyncIterator[Releases]:
    async with (
        AsyncExitStack() as exits,
        running(
            tmp_path / "stack",
            simulator=SimulatorSettings(seed=17, error_share=0, slow_share=0),
            upstream_timeout_seconds=2,
            delivery_timeout_seconds=2,
        ) as stack,
    ):
        yield Releases(
            stack,
            exits,
            next_release(tmp_path / "reads", writes=False),
            next_release(tmp_path / "writes", writes=True),
        )


async def check_all(stack: Stack, sids: list[str]) -> None:
    """Subscribe to calls, and judge what came of them."""
    subscribers = await stack.subscribe_all(sids, each=1)
    await stack.until_over(subscribers)
    judgement = await stack.judge(subscribers)
    # The bodies are those of the events; a record that had to wait for a lease is polled again.
    assert judgement.faults(crashed=True) == []
    assert not judgement.repeated


async def test_a_release_that_reads_the_next_layout_works_beside_one_that_writes_it(releases: Releases) -> None:
    """The second step: all that runs reads both layouts, and the new release comes one process after the other."""
    stack = releases.stack
    old = (stack.poll_worker, stack.deliver_worker)
    port = free_port()
    reads = await asyncio.gather(*(releases.start(kind, releases.reads) for kind in ("poll", "deliver")))
    assert [await process.terminate() for process in old] == [0, 0]
    sids = await stack.place(CALLS, LIFE)
    checking = asyncio.create_task(check_all(stack, sids))
    try:
        writes = [await releases.start("poll", releases.writes, port), await releases.start("deliver", releases.writes)]
        await checking
        await until_ready(writes[0], f"http://127.0.0.1:{port}/readyz")
    finally:
        checking.cancel()
    assert not any("cannot be read" in process.output for process in (*reads, *writes))
    assert not any("takes nothing more" in process.output for process in (*reads, *writes))


async def test_a_release_that_cannot_read_the_next_layout_keeps_away_from_it(releases: Releases) -> None:
    """A step that was left out: what runs steps back, says so, and cannot be started again; nothing is lost."""
    stack, port = releases.stack, free_port()
    settings = stack.settings | {"RINGBACK_WORKER_PORT": str(port)}
    old = ringback("worker", "poll", settings=settings, log_path=stack.folder / "old" / "poll.log")
    releases.exits.callback(old.kill)
    await start_worker(old)
    sids = await stack.place(CALLS, LIFE)
    checking = asyncio.create_task(check_all(stack, sids))
    try:
        for kind in ("poll", "deliver"):
            await releases.start(kind, releases.writes)
        for process in (old, stack.poll_worker, stack.deliver_worker):
            await process.until_it_says("this worker takes nothing more")
        async with httpx.AsyncClient(trust_env=False) as client:

            async def unready() -> bool:
                answer = await client.get(f"http://127.0.0.1:{port}/readyz")
                return answer.status_code == 503 and "upgrade, or restore" in answer.text

            await eventually(unready, "that it is not ready any more")
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        await checking
    finally:
        checking.cancel()
    assert await old.terminate() == 0

    for command in (("worker", "poll"), ("worker", "deliver"), ("api", "--port", str(free_port()))):
        late = ringback(*command, settings=stack.settings, log_path=stack.folder / f"late-{command[-1]}.log")
        releases.exits.callback(late.kill)
        late.start()
        assert await late.ended() in (1, 3)
        assert "Traceback" not in late.output
        assert re.search(
            r"which reads layouts up to 1, but Ringback \S+ has written layout 2 here: upgrade", late.output
        )
