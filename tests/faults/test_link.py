"""Each weather of a link does to connections what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.dev.embedded_redis import HOST
from tests.faults.link import Link, Weather, open_link

_PATIENCE_SECONDS = 20.0
# So long nothing comes that would come within a millisecond.
_A_WHILE_SECONDS = 0.1
_SLOW_SECONDS = 0.05


class Echo:
    """Answers each line with the same line; `lines` are all that have arrived."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


class Caller:
    """A connection over the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def say(self, line: bytes) -> None:
        self.writer.write(line)

    async def hears(self, count: int) -> bytes:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._reader.readexactly(count)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(_A_WHILE_SECONDS):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            try:
                await self._reader.read()
            except ConnectionResetError:
                return True
        return False


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    server = await asyncio.start_server(echo, HOST, 0)
    async with server, open_link(server.sockets[0].getsockname()[1]) as link:
        yield link


@asynccontextmanager
async def calling(link: Link) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(HOST, link.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()
        # A turn of the loop closes what was aborted.
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Caller]:
    """Open a connection over which something has passed."""
    async with calling(link) as caller:
        caller.say(b"one\n")
        assert await caller.hears(4) == b"one\n"
        yield caller


async def test_in_fair_weather_everything_passes(link: Link) -> None:
    async with connected(link):
        assert link.harmed == 0


async def test_a_cut_link_resets_what_is_open_and_what_is_opened(link: Link) -> None:
    async with connected(link) as caller:
        link.become(Weather.CUT)
        assert await caller.is_reset()
    async with calling(link) as late:
        assert await late.is_reset()
    assert link.harmed == 2


async def test_a_cut_link_that_is_mended_takes_connections(link: Link) -> None:
    link.become(Weather.CUT)
    link.mend()
    async with connected(link):
        pass


async def test_a_link_that_refuses_has_nobody_listening(link: Link) -> None:
    async with connected(link) as caller:
        async with link.refusing():
            assert await caller.is_reset()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(HOST, link.port)
        async with connected(link):
            pass


async def test_a_dripping_link_lets_few_bytes_pass_at_a_time(link: Link) -> None:
    link.slow_down(_SLOW_SECONDS, piece=1)
    async with connected(link):
        # The request's four bytes, and the answer's.
        assert link.harmed == 8


async def test_over_a_silent_link_nothing_passes_until_it_is_mended(link: Link, echo: Echo) -> None:
    async with connected(link) as caller:
        link.become(Weather.SILENT)
        caller.say(b"two\n")
        assert await caller.hears_nothing()
        assert echo.lines == [b"one\n"]
        assert link.harmed
        link.mend()
        assert await caller.hears(4) == b"two\n"


async def test_a_silent_link_leaves_new_connections_waiting(link: Link) -> None:
    link.become(Weather.SILENT)
    async with calling(link) as caller:
        caller.say(b"one\n")
        assert await caller.hears_nothing()
        link.mend()
        assert await caller.hears(4) == b"one\n"


async def test_a_deaf_link_loses_the_answer_and_not_the_request(link: Link, echo: Echo) -> None:
    async with connected(link) as caller:
        link.become(Weather.DEAF)
        caller.say(b"two\n")
        assert await caller.is_reset()
    assert echo.lines == [b"one\n", b"two\n"]
    assert link.harmed == 1


async def test_a_torn_answer_begins_and_is_reset(link: Link, echo: Echo) -> None:
    async with connected(link) as caller:
        link.become(Weather.TORN, torn_after=2)
        caller.say(b"two\n")
        assert await caller.hears(2) == b"tw"
        assert await caller.is_reset()
    assert echo.lines == [b"one\n", b"two\n"]


async def test_a_share_of_the_answers_is_lost(link: Link) -> None:
    link.become(Weather.DEAF, share=0.0)
    async with connected(link):
        assert link.harmed == 0


async def test_a_slow_link_takes_its_time_in_each_direction(link: Link) -> None:
    link.slow_down(_SLOW_SECONDS)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with connected(link):
        assert loop.time() - begun >= 2 * _SLOW_SECONDS
    assert link.harmed == 2
