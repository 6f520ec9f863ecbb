"""Connections dialled by aiohttp's connector: names looked up, addresses tried in turn, TLS, and the wall before them.

The connector is the one place where an address is judged (egress.py). What it has dialled is then handed over: from
that moment on a protocol of our own reads and writes, and aiohttp only learns when the connection has ended.
"""

import asyncio
from typing import Any, Protocol

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

_NO_TIMEOUT = aiohttp.ClientTimeout()


class Reader(Protocol):
    """What reads from a connection: the part of asyncio.Protocol that is called once it is made."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, error: Exception | None) -> None: ...


class Line:
    """A dialled connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # aiohttp's own protocol, which waits for the end of what it has dialled.
        self._dialled: Any = connection.protocol
        self._transport: Any = connection.transport
        if self._transport is None:
            raise ConnectionResetError("the connection was lost before it was used")

    @property
    def said(self) -> bytes:
        """What the other side has said already: an overloaded server may answer before it is asked."""
        said: bytes = self._dialled._tail  # noqa: SLF001 -- aiohttp has no other way to tell, and keeps it for a request
        return said

    def hand_over(self, reader: Reader) -> None:
        """Let a protocol read from now on, and be told of the end."""
        self._transport.set_protocol(reader)
        if self.said:
            # aiohttp stops reading when much is said before anything is asked.
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Write; uvloop raises RuntimeError or OSError for a connection that was just lost."""
        self._transport.write(data)

    def abort(self) -> None:
        self._transport.abort()

    def hang_up(self, error: Exception | None) -> None:
        """Tell aiohttp that the connection has ended."""
        self._dialled.connection_lost(error)
        self._connection.close()


class Dialler:
    """Dials for many origins through one connector, which it owns. Make it inside a running loop."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector

    async def dial(self, url: str) -> Line:
        """Dial the host of a URL. Raises aiohttp's errors and OSErrors, the wall's among them."""
        # Nothing of it is sent: it names to the connector where to go.
        wanted = aiohttp.ClientRequest("GET", URL(url, encoded=True), loop=asyncio.get_running_loop())
        connection = await self._connector.connect(wanted, [], _NO_TIMEOUT)
        try:
            return Line(connection)
        except ConnectionResetError:
            connection.close()
            raise

    async def aclose(self) -> None:
        """Close the connector, and with it what is still open."""
        await self._connector.close()
