"""What polling is measured against: the same GETs from a loop and nothing else, on aiohttp and on httpx.

`python -m tests.bench.bare_polls CLIENT CONNECTIONS URL SID COUNT` asks for COUNT calls of that SID's life, over and
over again, until it is ended. Both clients are used as well as they can be: one for the whole process, as many tasks as
connections, and what can be made once is made once.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import httpx
import uvloop
from yarl import URL

from app.domain.call import CallKey
from app.domain.dialect import CONNECTOR_HEADER, status_path
from app.outbound.http import USER_AGENT
from tests.bench.lives import Life
from tests.builders import ACCOUNT, CONNECTOR, PROJECT

_HEADERS = {
    CONNECTOR_HEADER: CONNECTOR,
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": USER_AGENT,
}


async def _on_aiohttp(urls: Iterator[str], connections: int) -> None:
    targets = itertools.cycle([URL(url, encoded=True) for url in urls])
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=10),
    ) as session:

        async def ask() -> None:
            async with session.get(next(targets), headers=_HEADERS) as answer:
                await answer.read()

        await _for_ever(ask, connections)


async def _on_httpx(urls: Iterator[str], connections: int) -> None:
    targets = itertools.cycle([httpx.URL(url) for url in urls])
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    # Over 300 connections the last answer of a wave is read many seconds after the first.
    async with httpx.AsyncClient(limits=limits, timeout=120, headers=_HEADERS) as client:

        async def ask() -> None:
            await client.get(next(targets))

        await _for_ever(ask, connections)


async def _for_ever(ask: Callable[[], Awaitable[None]], connections: int) -> None:
    async def one_after_the_other() -> None:
        while True:
            await ask()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(one_after_the_other())


def _urls(base_url: str, sid: str, count: int) -> Iterator[str]:
    life = Life.of(sid)
    for number in range(count):
        yield base_url + status_path(CallKey(ACCOUNT, PROJECT, CONNECTOR, life.sid(number)))


if __name__ == "__main__":
    client, connections, base, sid, count = sys.argv[1:]
    run = {"aiohttp": _on_aiohttp, "httpx": _on_httpx}[client]
    uvloop.run(run(_urls(base, sid, int(count)), int(connections)))
