"""`ringback dev` as users run it: real processes, from the first line to the last."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import free_port
from app.dev.simulator import DEMO_ACCOUNT, SimulatorSettings, create_simulator
from tests.servers import serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

# On a busy machine with nothing compiled yet.
_START_SECONDS = 90
_STOP_SECONDS = 40
_SOURCE_ROOT = Path(__file__).parents[2]
_linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


class _Dev:
    """A run, its output read as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, pattern: str) -> str:
        """Read on to the first line in which `pattern` is found."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"{pattern!r} is not in:\n" + "\n".join(self.lines))

    async def end(self) -> str:
        """Wait for its end, and return what it had left to say."""
        async with asyncio.timeout(_STOP_SECONDS):
            output, _ = await self.process.communicate()
        return output.decode()

    def value(self, label: str) -> str:
        """Return what stands behind a label of the welcome."""
        found = (line.removeprefix(f"  {label} ").split()[0] for line in self.lines if line.startswith(f"  {label} "))
        return next(found)

    def command_to_try(self) -> str:
        start = next(place for place, line in enumerate(self.lines) if line.startswith(("SID=", "curl")))
        return "\n".join(self.lines[start : self.lines.index("", start)])

    def child(self, *words: str) -> int:
        """Return the process id of the child that was started with these words."""
        wanted = "\0".join(words).encode()
        return next(pid for pid in _children(self.process.pid) if wanted in Path(f"/proc/{pid}/cmdline").read_bytes())


@asynccontextmanager
async def _dev(folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[_Dev]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "dev", "--port", str(free_port())),
        cwd=folder,
        # Where it runs has nothing to do with where its code is.
        env={**os.environ, "PYTHONPATH": str(_SOURCE_ROOT), **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield _Dev(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _run_shell(command: str) -> str:
    shell = await asyncio.create_subprocess_exec("sh", "-e", "-c", command, stdout=asyncio.subprocess.PIPE)
    output, _ = await shell.communicate()
    assert shell.returncode == 0
    return output.decode()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the command's name, which may hold anything: the state, and the parent.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@_linux_only
async def test_it_shows_verified_events_and_ends_without_a_trace(tmp_path: Path) -> None:
    async with _dev(tmp_path) as dev:
        await dev.until("first verified event after [0-9.]+ s")
        children = _children(dev.process.pid)
        assert len(children) == 5  # Redis, the simulator, the API and two workers
        for url in re.findall(r"\S+/metrics", "\n".join(dev.lines)):
            async with httpx.AsyncClient(trust_env=False) as client:
                assert "ringback_" in (await client.get(url)).text
        subscription = json.loads(await _run_shell(dev.command_to_try()))
        await dev.until(f"{subscription['call_sid']} .* verified")
        await dev.until("call.completed .* verified")
        dev.process.send_signal(signal.SIGINT)
        last_words = await dev.end()
        assert "Stopping …\n" in last_words
        assert last_words.endswith("Stopped.\n")
        assert dev.process.returncode == 0
    assert [pid for pid in children if _is_running(pid)] == []
    assert not any("REJECTED" in line for line in dev.lines)
    assert (tmp_path / ".ringback/dev.env").stat().st_mode & 0o077 == 0

    async with _dev(tmp_path) as again:
        await again.until("first verified event")
        again.process.send_signal(signal.SIGTERM)
        await again.end()
        assert again.process.returncode == 0
    for label in ("API key", "listener"):
        assert again.value(label) == dev.value(label)


@_linux_only
async def test_a_process_that_dies_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    async with _dev(tmp_path) as dev:
        await dev.until("Ready after")
        children = _children(dev.process.pid)
        os.kill(dev.child("worker", "deliver"), signal.SIGKILL)
        last_words = await dev.end()
        assert dev.process.returncode == 1
    assert "ringback: the deliver worker ended by itself (SIGKILL)" in last_words
    assert "worker started" in last_words
    assert [pid for pid in children if _is_running(pid)] == []


@_linux_only
async def test_nothing_survives_a_runner_that_is_killed(tmp_path: Path) -> None:
    async with _dev(tmp_path) as dev:
        await dev.until("Ready after")
        children = _children(dev.process.pid)
        dev.process.kill()
        async with asyncio.timeout(_STOP_SECONDS):
            # A process that is not our child tells us nothing of its end.
            while any(_is_running(pid) for pid in children):  # noqa: ASYNC110 -- there is no event to wait for
                await asyncio.sleep(0.05)


async def test_with_a_real_upstream_it_follows_the_calls_of_the_user(tmp_path: Path) -> None:
    simulator = create_simulator(SimulatorSettings(error_share=0, slow_share=0))
    account, connector = DEMO_ACCOUNT, DEMO_ACCOUNT.connector_ids[0]
    async with serve(simulator) as upstream, httpx.AsyncClient(trust_env=False) as client:
        env = {
            "RINGBACK_UPSTREAM_BASE_URL": upstream,
            "RINGBACK_DEV_ACCOUNT_ID": account.account_id,
            "RINGBACK_DEV_PROJECT_ID": account.project_id,
            "RINGBACK_DEV_CONNECTOR_ID": connector,
        }
        async with _dev(tmp_path, env) as dev:
            await dev.until("Events will appear")
            placed = await client.post(
                f"{upstream}/api/v1/{account.account_id}/{account.project_id}/outbound-call",
                headers={"x-connector-id": connector},
                json={"life": [[0, "CREATED"], [0, "queued"], [0, "busy"]]},
            )
            call_sid = placed.json()["call_sid"]
            await _run_shell(dev.command_to_try().replace("OUT-…", call_sid))
            await dev.until(f"{call_sid} .*call.busy .* #3 .* verified")
            dev.process.send_signal(signal.SIGINT)
            await dev.end()
            assert dev.process.returncode == 0
    assert not any(connector in line for line in dev.lines)
    # Apart from what was simulated: no call of one upstream is ever asked for at another.
    assert [path.name for path in (tmp_path / ".ringback").glob("*/redis")] == ["redis"]
    assert not (tmp_path / ".ringback/redis").exists()
