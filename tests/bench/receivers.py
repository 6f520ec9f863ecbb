"""Receivers of a few lines, which cost the machine less than a framework."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class RawReceiver(asyncio.Protocol):
    """Answers each body with what `answer` makes of it."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to answer on it."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            lines = self._received[:end].lower().split(b"\r\n")
            length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
            body_ends = end + 4 + length
            if len(self._received) < body_ends:
                return
            answer = self._answer(self._received[end + 4 : body_ends])
            self._received = self._received[body_ends:]
            if isinstance(self._transport, asyncio.Transport):
                self._transport.write(answer)


@asynccontextmanager
async def listening(receiver: Callable[[], asyncio.Protocol]) -> AsyncIterator[str]:
    """Serve a receiver on a port of its own, and yield its address."""
    server = await asyncio.get_running_loop().create_server(receiver, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
