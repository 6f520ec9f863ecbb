"""A reader of Server-Sent Events that takes one frame at a time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from tests.api.client import Headers


class Frame(NamedTuple):
    """What stands between two empty lines; a comment is an event of that name."""

    event: str
    id: str
    data: Any


class Frames:
    """The frames of a stream, in order."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> Frame | None:
        """Return the next frame, None at the end; comments and the like are frames too."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                if fields:
                    data = json.loads(fields["data"]) if "data" in fields else None
                    return Frame(fields.get("event", ""), fields.get("id", ""), data)
                continue
            name, _, value = line.partition(":")
            fields[name or "event"] = value.removeprefix(" ")
        return None

    async def event(self) -> Frame | None:
        """Return the next frame that is an event."""
        while (frame := await self.next()) is not None:
            if frame.data is not None:
                return frame
        return None

    async def some(self, count: int) -> list[str]:
        """Return the names of the next events."""
        found = [await self.event() for _ in range(count)]
        return [frame.event for frame in found if frame]

    async def rest(self) -> list[str]:
        """Return the names of all events until the stream ends."""
        names = []
        while frame := await self.event():
            names.append(frame.event)
        return names


@asynccontextmanager
async def reading(
    api: httpx.AsyncClient, path: str, tenant: Headers, last: str = "", **query: Any
) -> AsyncIterator[Frames]:
    """Open a stream, which has begun once its first frame has come."""
    headers = {**tenant, **({"Last-Event-ID": last} if last else {})}
    async with api.stream("GET", path, headers=headers, params=query) as answer:
        assert answer.status_code == 200, await answer.aread()
        frames = Frames(answer)
        assert await frames.next() == Frame("", "", None)
        yield frames
