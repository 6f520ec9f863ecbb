"""What a receiver may do, and what is made of it: the rows' type, and the ways to put a receiver up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.retry import Delivered, Gone, RetryAt, Verdict
from app.outbound.http import ErrorClass
from tests.outbound.certificates import Fault, server_tls
from tests.outbound.receivers import Script, receiver

# The first wait of the schedule that the table is judged by.
FIRST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receiver is, and the authorities that its tenant has told the operator to trust."""

    url: str
    roots: Path | None = None


Peer = Callable[[Path], AbstractAsyncContextManager[Place]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row: `saw` is the answer's status or the stage that failed; `wait` the seconds until the next attempt.

    `excerpt` is what is kept of the body, where that matters.
    """

    name: str
    peer: Peer
    saw: int | ErrorClass
    verdict: type[Verdict]
    wait: float = 0.0
    excerpt: bytes | None = None


def plain(script: Script, scheme: str = "http") -> Peer:
    """A receiver without TLS, which may be asked for `https` all the same."""

    @asynccontextmanager
    async def peer(_: Path) -> AsyncIterator[Place]:
        async with receiver(script) as server:
            yield Place(f"{scheme}://127.0.0.1:{server.port}/hook")

    return peer


def behind_tls(script: Script, fault: Fault = Fault.NONE, *, trusted: bool = True) -> Peer:
    """A receiver with a certificate, which is issued by somebody whom the client trusts, or not."""

    @asynccontextmanager
    async def peer(folder: Path) -> AsyncIterator[Place]:
        context, roots = server_tls(folder, "127.0.0.1", fault)
        async with receiver(script, context) as server:
            yield Place(f"{server.url}/hook", roots if trusted else None)

    return peer


@asynccontextmanager
async def nobody_listens(_: Path) -> AsyncIterator[Place]:
    """A port on which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield Place(f"http://127.0.0.1:{bound.getsockname()[1]}/hook")


@asynccontextmanager
async def nobody_accepts(_: Path) -> AsyncIterator[Place]:
    """A port whose queue of connections is full: further ones are neither accepted nor refused."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        try:
            while True:
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                async with asyncio.timeout(0.1):
                    await loop.sock_connect(waiting, listener.getsockname())
        except TimeoutError:
            yield Place(f"http://127.0.0.1:{listener.getsockname()[1]}/hook")


def delivered(name: str, peer: Peer, status: int = 200, excerpt: bytes | None = None) -> Behaviour:
    """The event counts as delivered."""
    return Behaviour(name, peer, status, Delivered, excerpt=excerpt)


def retried(
    name: str, peer: Peer, saw: int | ErrorClass, *, wait: float = FIRST_WAIT, excerpt: bytes | None = None
) -> Behaviour:
    """The attempt has failed, and there will be another one."""
    return Behaviour(name, peer, saw, RetryAt, wait, excerpt)


def gone(name: str, peer: Peer) -> Behaviour:
    """The receiver ends its subscription."""
    return Behaviour(name, peer, 410, Gone)
