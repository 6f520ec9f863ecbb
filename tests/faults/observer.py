"""What an operator sees while something is broken: probes that change, and lines in the logs."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.faults.stage import Stage

_EVERY_SECONDS = 0.5


class Observer:
    """Looks at all processes twice a second while it is watching."""

    def __init__(self, stage: Stage, client: httpx.AsyncClient) -> None:
        self._stage = stage
        self._client = client
        self._probes: set[str] = set()
        self._lines: Counter[str] = Counter()
        self._read = {one.name: one.process.log_path.stat().st_size for one in stage.members}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look while the block is open, and forget what was seen before."""
        self._probes.clear()
        self._read_logs()
        self._lines.clear()
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])
            self._read_logs()

    def seen(self) -> list[str]:
        """Return the probes that were not well, and the warnings and errors by how often they were logged."""
        lines = [f"{line} ({count})" for line, count in self._lines.most_common()]
        return sorted(self._probes) + lines

    async def all_ready(self) -> bool:
        return set((await self._stage.probes(self._client)).values()) == {"200"}

    async def _look(self) -> None:
        while True:
            for path in ("/readyz", "/healthz"):
                told = await self._stage.probes(self._client, path)
                self._probes |= {
                    f"{name.partition('-')[0]} {path} {answer}" for name, answer in told.items() if answer != "200"
                }
            await asyncio.sleep(_EVERY_SECONDS)

    def _read_logs(self) -> None:
        for one in self._stage.members:
            with one.process.log_path.open("rb") as log:
                log.seek(self._read[one.name])
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read[one.name] += len(whole)
            for line in whole.splitlines():
                self._note(one.kind, line)

    def _note(self, kind: str, line: bytes) -> None:
        try:
            told = json.loads(line)
            level, event = told["level"], told["event"]
        except (ValueError, KeyError, TypeError):
            self._lines[f"{kind}: {line.decode(errors='replace')[:120]}"] += 1
            return
        if level not in ("info", "debug"):
            self._lines[f"{kind} {level}: {event}"] += 1
