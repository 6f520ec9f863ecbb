"""A receiver whose every byte is scripted: what real servers do wrong, on a loopback socket."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

PATIENCE_SECONDS = 10.0

Script = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One accepted connection, as its script sees it; `number` counts from 1."""

    def __init__(self, receiver: "Receiver", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = receiver.connections
        self._receiver = receiver
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one request, head and body; raises asyncio.IncompleteReadError at the connection's end."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        request = head + await self._reader.readexactly(length)
        self._receiver.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError once the other side is gone."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes = b"ok", head: bytes = b"HTTP/1.1 200 OK") -> None:
        await self.send(head + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def reset(self) -> None:
        """End the connection with a RST, whatever has been sent or not read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def end_sending(self) -> None:
        """Send TCP's FIN; behind TLS without the goodbye of TLS."""
        self._socket.shutdown(socket.SHUT_WR)

    async def some(self) -> bytes:
        """Read what there is, at least a byte unless the other side has ended."""
        return await self._reader.read(65536)

    @property
    def _socket(self) -> socket.socket:
        connected: socket.socket = self._writer.get_extra_info("socket")
        return connected

    async def stop_reading(self) -> None:
        """Hear nothing any more, not even the connection's end, until the receiver is stopped."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def until_gone(self) -> None:
        """Return when the other side has ended the connection."""
        await self._reader.read(-1)


class Receiver:
    """Counts connections and keeps requests; `gone` is set when a connection's script is over."""

    def __init__(self, script: Script) -> None:
        self.url = ""
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        self._script = script
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        try:
            await self._script(Connection(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            # By stop(). Not passed on: asyncio's streams complain of a handler that ends so.
            writer.transport.abort()
        finally:
            self.gone.set()
            self._running.discard(task)
            writer.close()

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


@asynccontextmanager
async def receiver(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run `script` for every connection; with a server's TLS context, behind TLS."""
    opened = Receiver(script)
    server = await asyncio.start_server(opened.serve, "127.0.0.1", 0, ssl=tls)
    opened.port = server.sockets[0].getsockname()[1]
    opened.url = f"{'https' if tls else 'http'}://127.0.0.1:{opened.port}"
    try:
        yield opened
    finally:
        server.close()
        await opened.stop()
        await server.wait_closed()


async def always_ok(connection: Connection) -> None:
    """Answer every request of a kept-alive connection."""
    while True:
        await connection.request()
        await connection.answer()


async def silent(connection: Connection) -> None:
    """Read the request and never answer."""
    await connection.request()
    await connection.until_gone()


def says(data: bytes, *more: bytes) -> Script:
    """Answer the first request with these bytes, and end the connection in good order."""

    async def script(connection: Connection) -> None:
        await connection.request()
        for part in (data, *more):
            await connection.send(part)

    return script


def says_and_waits(data: bytes) -> Script:
    """Answer the first request with these bytes, and wait for the other side to end the connection."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        await connection.until_gone()

    return script


def says_and_resets(data: bytes) -> Script:
    """Answer the first request with these bytes, and reset the connection."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        connection.reset()

    return script


def floods(start: bytes, more: bytes, pause_seconds: float = 0.0) -> Script:
    """Answer the first request with `start` and then with `more` for ever, as fast as it is read or with pauses."""

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(start)
        while True:
            await connection.send(more)
            await asyncio.sleep(pause_seconds)

    return script
