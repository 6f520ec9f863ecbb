"""The way between two parties, as a network would be between them: cut, silent, slow, or losing answers.

A link listens on a port of its own and carries what comes to the target's port. It belongs to the event loop in which
it was opened.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from random import Random

from app.dev.embedded_redis import HOST

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)


class Weather(Enum):
    """How a link is."""

    FAIR = "everything passes"
    CUT = "connections are reset, and so are new ones"
    SILENT = "connections stay open, and nothing passes"
    DEAF = "requests pass, and the connection is reset where the answer would come"
    TORN = "of each answer the first bytes pass, then the connection is reset"


class Link:
    """Use `open_link`. What was sent while the link was silent passes once it is not, as TCP sends again.

    `harmed` counts the pieces and connections that its weather has kept from passing as they should.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.harmed = 0
        self._target_port = target_port
        self._weather = Weather.FAIR
        self._passable = asyncio.Event()
        self._passable.set()
        self._delay, self._piece = 0.0, _CHUNK
        self._server: asyncio.Server | None = None
        self._torn_after = 0
        self._share = 1.0
        self._chance = Random(0)  # noqa: S311 -- a game, not a secret
        self._pairs: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def become(self, weather: Weather, *, torn_after: int = 0, share: float = 1.0) -> None:
        """Change the weather at once.

        `torn_after` are the bytes that pass of a torn answer. Of all answers, `share` are torn or lost: where each is,
        a client that greets its server first never comes to ask for anything.
        """
        self._weather, self._torn_after, self._share = weather, torn_after, share
        if weather is Weather.SILENT:
            self._passable.clear()
        else:
            self._passable.set()
        if weather is Weather.CUT:
            self.drop()

    def slow_down(self, seconds: float, piece: int = _CHUNK) -> None:
        """Let each piece that passes, in each direction, wait so long first; 0 is the usual speed.

        A piece is what was sent at once, and at most so many bytes.
        """
        self._delay, self._piece = seconds, piece

    def lead_to(self, port: int) -> None:
        """Carry new connections there from now on; those that are open stay where they are."""
        self._target_port = port

    def mend(self) -> None:
        self.become(Weather.FAIR)
        self.slow_down(0)

    def drop(self) -> None:
        """Reset all connections that are open; new ones are not affected."""
        for pair in self._pairs:
            self.harmed += 1
            pair.cancel()

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse new connections while the block is open, and reset those that are."""
        await self._stop_listening()
        self.drop()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, HOST, self.port, reuse_port=True)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = asyncio.current_task()
        assert pair is not None
        self._pairs.add(pair)
        try:
            await self._carry_both_ways(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._pairs.discard(pair)
            await _close(writer)

    async def _carry_both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._until_passable()
        if self._weather is Weather.CUT:
            self.harmed += 1
            raise ConnectionResetError
        target_reader, target_writer = await asyncio.open_connection(HOST, self._target_port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, target_writer))
                both.create_task(self._pump(target_reader, writer, answers=True))
        except* OSError:
            _reset(writer)
            _reset(target_writer)
        finally:
            await _close(target_writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False) -> None:
        while data := await source.read(self._piece):
            if self._delay:
                self.harmed += 1
                await asyncio.sleep(self._delay)
            await self._until_passable()
            if answers and self._loses_answer():
                self.harmed += 1
                if self._weather is Weather.TORN:
                    sink.write(data[: self._torn_after])
                    await sink.drain()
                    # What has passed is to arrive before the reset does.
                    await asyncio.sleep(0.01)
                raise ConnectionResetError
            sink.write(data)
            await sink.drain()
        await self._until_passable()
        if sink.can_write_eof():
            sink.write_eof()

    async def _until_passable(self) -> None:
        if not self._passable.is_set():
            self.harmed += 1
            await self._passable.wait()

    def _loses_answer(self) -> bool:
        return self._weather in (Weather.DEAF, Weather.TORN) and self._chance.random() < self._share


@asynccontextmanager
async def open_link(target_port: int) -> AsyncIterator[Link]:
    """Open a link to a port on which something listens, now or later."""
    link = Link(target_port)
    # Bound, and never listening: it keeps the port while nobody is to be answered there.
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((HOST, 0))
        link.port = holder.getsockname()[1]
        await link._listen()
        try:
            yield link
        finally:
            await link._stop_listening()
            link.drop()
            while link._pairs:
                await asyncio.wait(link._pairs)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the other end see a reset, and not an end in good order."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()
