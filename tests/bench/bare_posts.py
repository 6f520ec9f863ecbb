"""What the deliver worker is measured against: the same POST over and over, and nothing else.

`python -m tests.bench.bare_posts CLIENT URL CONNECTIONS WARM COUNT` sends a prepared delivery over so many connections
at once and writes the CPU-seconds and the seconds that COUNT of them took, after WARM others, as JSON. CLIENT is `own`,
the client that the worker has, or `aiohttp`, a session of the library below it.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import uvloop

from app.domain.event import event_id, payload
from app.domain.signing import signed_headers
from app.outbound.callback import CallbackClient
from app.outbound.http import Answer
from tests.builders import START, make_event, make_names

_Post = Callable[[], Awaitable[object]]


def _delivery() -> tuple[dict[str, str], bytes]:
    """Return headers and body of a delivery as the worker sends it."""
    names, event = make_names(), make_event()
    body = payload(names, event, sequence=5, subscription_id="sub_0f0s6z4qjn0kc3v8m7xw1r", metadata={"deal": "004711"})
    signed = signed_headers([bytes(32)], event_id(names, event), int(START), body)
    return {"content-type": "application/json", **signed}, body


@asynccontextmanager
async def _own(url: str, connections: int) -> AsyncIterator[_Post]:
    headers, body = _delivery()

    async def post() -> None:
        answer = await client.post(url, headers, body)
        if not isinstance(answer, Answer):
            raise TypeError(str(answer.error))

    async with CallbackClient(timeout_seconds=15, max_connections=connections, allow_private=True) as client:
        yield post


@asynccontextmanager
async def _aiohttp(url: str, connections: int) -> AsyncIterator[_Post]:
    headers, body = _delivery()

    async def post() -> None:
        async with session.post(url, headers=headers, data=body) as answer:
            await answer.read()
            answer.raise_for_status()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        yield post


async def _run(kind: str, url: str, connections: int, warm: int, count: int) -> None:
    async with {"own": _own, "aiohttp": _aiohttp}[kind](url, connections) as post:
        await _send(post, connections, warm)
        cpu, start = time.process_time(), time.perf_counter()
        await _send(post, connections, count)
        took = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - start}
    sys.stdout.write(json.dumps(took))


async def _send(post: _Post, connections: int, count: int) -> None:
    left = itertools.islice(itertools.count(), count)

    async def send() -> None:
        for _ in left:
            await post()

    await asyncio.gather(*(send() for _ in range(connections)))


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
