"""The real processes, started as an operator starts them, watched through what they write, and ended every way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from app.dev.child_process import die_with_parent
from app.dev.embedded_redis import free_port
from app.settings import PREFIX

ROOT = Path(__file__).parent.parent
# Starting takes a second or two by itself, and many times that when the machine is busy.
START_SECONDS = 50.0
STOP_SECONDS = 50.0
_LOOK_AGAIN_SECONDS = 0.02


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with `settings` (named without their prefix) and no others of Ringback's.

    Settings that are called `otel_…` are OpenTelemetry's, which have no prefix of ours.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "OTEL_"))}
    return ours | {_variable(name.upper()): str(value) for name, value in settings.items()}


def _variable(name: str) -> str:
    return name if name.startswith("OTEL_") else PREFIX + name


class Process:
    """One process that can be started again after its end. It dies with the tests; start it from the main thread."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], log_path: Path, root: Path = ROOT
    ) -> None:
        """`arguments` are Python's, such as `-m arq …`; what the process writes is appended to `log_path`.

        `root` is the folder of the sources that it runs.
        """
        self._arguments = arguments
        self._environment = environment
        self.log_path = log_path
        self._root = root
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._started_at = 0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has written since its last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._started_at)
            return log.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def runs(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def command(self) -> list[str]:
        return [sys.executable, *self._arguments]

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._started_at = log.tell()
            self._popen = subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell reads it
                self.command(),
                cwd=self._root,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A terminal's Ctrl-C reaches the tests alone, which end their processes themselves.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- one system call, looked up before
            )

    async def until_it_says(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until it has written `text`; fails with all it wrote when it ends before."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            if not self.runs and text not in self.output:
                raise AssertionError(f"it ended without saying {text!r}:\n{self.output}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it has not said {text!r} within {seconds:g} s:\n{self.output}")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        deadline = time.monotonic() + seconds
        process = self._running()
        while (code := process.poll()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it has not ended within {seconds:g} s:\n{self.output}")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return code

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._running().terminate()

    async def terminate(self, seconds: float = STOP_SECONDS) -> int:
        """Send SIGTERM and return the exit code."""
        self.ask_to_end()
        return await self.ended(seconds)

    def kill(self) -> None:
        """Send SIGKILL, as a crash or an impatient operator does. Does nothing when it has ended."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError("it was not started")
        return self._popen


def worker(kind: str, settings: Mapping[str, str], folder: Path) -> Process:
    """The worker process of a kind, not yet started: `arq workers.<kind>.WorkerSettings`."""
    return Process(["-m", "arq", f"workers.{kind}.WorkerSettings"], settings, folder / f"{kind}.log")


def ringback(*arguments: str, settings: Mapping[str, str], log_path: Path, root: Path = ROOT) -> Process:
    """A process as the image starts it, not yet started: `ringback …`."""
    return Process(["-m", "app.cli", *arguments], settings, log_path, root)


async def start_worker(process: Process) -> None:
    """Start a worker and return once it listens to its queue."""
    process.start()
    await process.until_it_says("worker started")


async def start_api(settings: Mapping[str, str], folder: Path) -> tuple[Process, str]:
    """Start `uvicorn app.main:app`, and return it with its base URL once it is ready."""
    port = free_port()
    arguments = ["-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", str(port)]
    # A test's client keeps its connection for longer than uvicorn would by itself.
    process = Process([*arguments, "--timeout-keep-alive", "75"], settings, folder / "api.log")
    process.start()
    url = f"http://127.0.0.1:{port}"
    await until_ready(process, f"{url}/readyz")
    return process, url


async def until_ready(process: Process, url: str, seconds: float = START_SECONDS) -> None:
    """Wait until `url` answers 200; fails when the process ends before."""
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False) as client:
        while not await _answers_200(client, url):
            if not process.runs:
                raise AssertionError(f"it ended before it was ready:\n{process.output}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it was not ready within {seconds:g} s:\n{process.output}")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _answers_200(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False
