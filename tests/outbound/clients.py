"""The two clients: httpx's interface over aiohttp, and HTTP/1.1 to one origin. What bounds them is the same."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from app.outbound.dialling import Dialler
from app.outbound.egress import open_connector
from app.outbound.http import Exchange, OutboundClient, exchange, tls_context
from app.outbound.http1 import Bounds
from app.outbound.origin import Origin


class Asking(Protocol):
    """Asks for a URL. Whoever closes it closes its connections."""

    async def get(self, url: str, *, deadline_seconds: float, max_body_bytes: int) -> Exchange: ...

    async def aclose(self) -> None: ...


class OverHttpx:
    """The client that deliveries use."""

    def __init__(self, max_connections: int = 4) -> None:
        connector = open_connector(max_connections=max_connections, tls=tls_context(), keepalive_seconds=15.0)
        self.client = OutboundClient(connector)

    async def get(self, url: str, *, deadline_seconds: float, max_body_bytes: int) -> Exchange:
        request = httpx.Request("GET", url)
        return await exchange(self.client, request, deadline_seconds=deadline_seconds, max_body_bytes=max_body_bytes)

    async def aclose(self) -> None:
        await self.client.aclose()


class OverHttp1:
    """The client that polls use."""

    def __init__(self) -> None:
        connector = open_connector(max_connections=0, tls=tls_context(), keepalive_seconds=15.0)
        self._dialler = Dialler(connector)
        self._origins: dict[str, Origin] = {}

    async def get(self, url: str, *, deadline_seconds: float, max_body_bytes: int) -> Exchange:
        place = urlsplit(url)
        origin = self._origins.setdefault(place.netloc, Origin(self._dialler, url, 15.0))
        target = url.partition(place.netloc)[2] or "/"
        request = f"GET {target} HTTP/1.1\r\nhost: {place.netloc}\r\naccept-encoding: identity\r\n\r\n"
        return await origin.exchange(request.encode(), Bounds(deadline_seconds, max_body_bytes))

    async def aclose(self) -> None:
        for origin in self._origins.values():
            await origin.aclose()
        await self._dialler.aclose()


@asynccontextmanager
async def _closing(client: Asking) -> AsyncIterator[Asking]:
    try:
        yield client
    finally:
        await client.aclose()


def opened(kind: type[OverHttpx] | type[OverHttp1]) -> AbstractAsyncContextManager[Asking]:
    """Open a client of a kind; inside a running loop."""
    return _closing(kind())
