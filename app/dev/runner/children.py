"""The processes of a run: started, watched and stopped. All on the main thread, see `die_with_parent`."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.dev.child_process import die_with_parent
from app.dev.runner.errors import ChildEnded, NotReady

# A first start compiles every module, on a machine that may be busy.
_READY_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05
# Longer than a worker or the API needs when nothing hangs; what is cut off then is in Redis.
_STOP_SECONDS = 10.0
_LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """A process to start: what follows `ringback` in its command, and where it tells that it is ready.

    `worker_port` is where a worker's probes are; `last` is for what is stopped when all others are gone.
    """

    name: str
    title: str
    words: tuple[str, ...]
    ready_url: str
    worker_port: int = 0
    last: bool = False


class Child:
    """A process that was started."""

    def __init__(self, plan: ChildPlan, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self.plan = plan
        self._process = process
        self._log_path = log_path

    async def end(self) -> ChildEnded:
        """Wait until it has ended, and return how."""
        code = await self._process.wait()
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return ChildEnded(
            f"{self.plan.title} ended by itself ({how}). The last lines of {self._log_path}:\n{self._last_lines()}"
        )

    async def stop(self, hurry: asyncio.Event) -> None:
        """SIGTERM, and SIGKILL when that takes too long or `hurry` is set."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        ended, impatient = asyncio.create_task(self._process.wait()), asyncio.create_task(hurry.wait())
        await asyncio.wait((ended, impatient), timeout=_STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if not ended.done():
            os.killpg(self._process.pid, signal.SIGKILL)
        await ended

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Wait until it says that it is ready. Raises NotReady."""
        said = "nothing"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS):
                while True:
                    try:
                        answer = await client.get(self.plan.ready_url)
                    except httpx.TransportError as error:
                        said = type(error).__name__
                    else:
                        if answer.is_success:
                            return
                        said = f"{answer.status_code} {answer.text[:200]}"
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        raise NotReady(
            f"{self.plan.title} was not ready within {_READY_SECONDS:g} s ({said}). "
            f"The last lines of {self._log_path}:\n{self._last_lines()}"
        )

    def _last_lines(self) -> str:
        lines = self._log_path.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"


async def start(plan: ChildPlan, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> Child:
    """Start a process in a session of its own; what it says goes to a log that begins anew."""
    log_path = logs / f"{plan.name}.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env={
                **environment,
                "RINGBACK_WORKER_HOST": "127.0.0.1",
                "RINGBACK_WORKER_PORT": str(plan.worker_port),
            },
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    return Child(plan, process, log_path)
