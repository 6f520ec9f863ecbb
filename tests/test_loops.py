"""The tests' event loop tells of what a test leaves behind."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tests.loops import StrictLoop


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_connection_that_is_left_open_is_told_of_when_the_loop_is_closed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    loop = StrictLoop()
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=pair[0]))
    with pytest.raises(AssertionError, match="1 connections were left open"):
        loop.close()
    # Or it would be told of once more, by the garbage collector.
    transport._call_connection_lost(None)  # type: ignore[attr-defined]


def test_a_connection_that_was_closed_is_not_told_of(pair: tuple[socket.socket, socket.socket]) -> None:
    async def connect_and_close() -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=pair[0])
        transport.close()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=StrictLoop) as runner:
        runner.run(connect_and_close())
