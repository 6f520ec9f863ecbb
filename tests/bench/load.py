"""A client that costs next to nothing: one request after the other on connections that stay open."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered, until there is none."""

    def __init__(self, following: Callable[[], bytes | None], answered: Callable[[bytes], None]) -> None:
        self._following = following
        self._answered = answered
        self._read = b""
        self._transport: Any = None
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_end = self._read.find(b"\r\n\r\n")
        length = _LENGTH.search(self._read, 0, head_end) if head_end > 0 else None
        if length and len(self._read) >= head_end + 4 + int(length[1]):
            answer, self._read = self._read, b""
            try:
                self._answered(answer)
            except AssertionError as error:
                self.done.set_exception(error)
            else:
                self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))

    def _send(self) -> None:
        request = self._following()
        if request is not None:
            self._transport.write(request)
        else:
            self.done.set_result(None)
            self._transport.close()


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Write a POST as it goes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{lines}content-length: {len(body)}"
    )
    return f"{head}\r\n\r\n".encode() + body


async def send_all(
    url: str, connections: int, following: Callable[[], bytes | None], answered: Callable[[bytes], None]
) -> None:
    """Send what `following` yields over so many connections, until it yields None."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(following, answered), host, port) for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
