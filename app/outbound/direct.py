"""POSTs to many origins, each over connections of its own: what deliveries go over where there is no proxy."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

import aiohttp
import httpx

from app.outbound.dialling import Dialler
from app.outbound.egress import KEEPALIVE_SECONDS
from app.outbound.http import ErrorClass, Exchange, NoAnswer
from app.outbound.http1 import Bounds
from app.outbound.origin import Origin

# With so many, or twice as many as are in use, those that nobody uses are forgotten.
_FEW_ORIGINS = 1000
# Parsing a URL costs as much as signing. A turn asks for one up to ten times, and some receivers have but one.
_REMEMBERED_URLS = 1024


class _Target(NamedTuple):
    """Where a URL leads: its origin's name, and the first lines of a POST to it."""

    origin: str
    head: str


class DirectClient:
    """Sends POSTs. Make it inside a running loop; it owns `connector`, which judges every address that is dialled.

    No more than `max_connections` are under way at once.
    """

    def __init__(self, connector: aiohttp.BaseConnector, max_connections: int) -> None:
        self._dialler = Dialler(connector)
        self._places = asyncio.Semaphore(max_connections)
        self._origins: dict[str, Origin] = {}
        self._many_origins = _FEW_ORIGINS

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, bounds: Bounds) -> Exchange:
        """POST `body`; waiting for one of the connections counts.

        What cannot be written as HTTP is no answer, of the class `PROTOCOL`. Raises RuntimeError if this is closed.
        """
        started = perf_counter()
        try:
            target = _target(url)
            request = _write(target.head, headers, body)
        except (httpx.InvalidURL, ValueError):
            return NoAnswer(ErrorClass.PROTOCOL, 0.0)
        if self._places.locked():
            try:
                async with asyncio.timeout(bounds.deadline_seconds):
                    await self._places.acquire()
            except TimeoutError:
                return NoAnswer(ErrorClass.TIMEOUT, perf_counter() - started)
        else:
            await self._places.acquire()
        try:
            return await self._origin(target.origin).exchange(request, bounds, started)
        finally:
            self._places.release()

    async def aclose(self) -> None:
        """Close every connection. What is under way ends as an answer that did not come."""
        for origin in self._origins.values():
            await origin.aclose()
        await self._dialler.aclose()

    def _origin(self, name: str) -> Origin:
        origin = self._origins.get(name)
        if origin is None:
            if len(self._origins) >= self._many_origins:
                self._origins = {kept: one for kept, one in self._origins.items() if not one.unused}
                self._many_origins = max(_FEW_ORIGINS, 2 * len(self._origins))
            origin = self._origins[name] = Origin(self._dialler, name, KEEPALIVE_SECONDS)
        return origin


@lru_cache(_REMEMBERED_URLS)
def _target(url: str) -> _Target:
    """Read a URL; raises httpx.InvalidURL or ValueError."""
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.raw_host:
        raise ValueError("not a URL of HTTP")
    place = parsed.netloc.decode("ascii")
    path = parsed.raw_path.decode("ascii")
    if url.endswith("?") and "?" not in path:
        # An empty query, which httpx drops: a receiver that signs its URLs would not know them again.
        path += "?"
    return _Target(f"{parsed.scheme}://{place}", f"POST {path} HTTP/1.1\r\nhost: {place}\r\naccept: */*\r\n")


def _write(head: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Write a request; raises ValueError for headers that would say something else than they seem to."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    ends = len(headers)
    if lines.count("\r") != ends or lines.count("\n") != ends or "\0" in lines:
        raise ValueError("a header holds a line break")
    return f"{head}{lines}accept-encoding: identity\r\ncontent-length: {len(body)}\r\n\r\n".encode("ascii") + body
