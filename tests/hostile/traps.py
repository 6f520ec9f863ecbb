"""Listeners that nobody should ever reach, and name lookups that lie."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.domain.public_address import is_public
from app.outbound.callback import CallbackClient
from app.outbound.http import ErrorClass, Exchange, NoAnswer
from tests.outbound.receivers import PATIENCE_SECONDS
from tests.outbound.resolvers import ScriptedResolver

# Nothing of these was opened, let alone dialled: whatever is tried at the network ends as another error.
HARMLESS = frozenset({ErrorClass.ADDRESS_NOT_ALLOWED, ErrorClass.PROTOCOL})


@dataclass(slots=True)
class Trap:
    """One port on every address of this machine, and how often somebody came."""

    port: int = 0
    connections: int = 0
    ipv6: bool = False

    def spring(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@asynccontextmanager
async def trap() -> AsyncIterator[Trap]:
    """Listen on the loopback's addresses of both families."""
    opened = Trap()
    servers = [await asyncio.start_server(opened.spring, "127.0.0.1", 0)]
    opened.port = servers[0].sockets[0].getsockname()[1]
    # A machine need not have IPv6.
    with suppress(OSError):
        servers.append(await asyncio.start_server(opened.spring, "::1", opened.port))
        opened.ipv6 = True
    try:
        yield opened
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


class LyingResolver(AbstractResolver):
    """Answers as is said of a name, in turn, and of any other name with the last `otherwise`."""

    def __init__(self, otherwise: Sequence[str], **by_label: Sequence[Sequence[str]]) -> None:
        """`by_label` has the answers for names by their first label."""
        self._otherwise = ScriptedResolver(list(otherwise))
        self._scripts = {
            label: ScriptedResolver(*(list(one) for one in answers)) for label, answers in by_label.items()
        }

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        script = self._scripts.get(host.partition(".")[0], self._otherwise)
        return await script.resolve(host, port, family)

    async def close(self) -> None:
        """Nothing is open."""


def guarded_client(
    resolver: AbstractResolver | None = None, *, allow_private: bool = False, proxy_url: str = ""
) -> CallbackClient:
    """Make the real client; without `resolver`, names are looked up by the system."""
    return CallbackClient(
        timeout_seconds=PATIENCE_SECONDS,
        max_connections=4,
        allow_private=allow_private,
        resolver=resolver,
        proxy_url=proxy_url,
    )


def leads_out(url: str) -> bool:
    """Whether the client reads a public address out of `url`: a test must not go there."""
    try:
        host = URL(str(httpx.URL(url)), encoded=True).raw_host
        return is_public(ip_address(host or ""))
    except (httpx.InvalidURL, ValueError):
        return False


def error_of(exchange: Exchange) -> ErrorClass | None:
    return exchange.error if isinstance(exchange, NoAnswer) else None


def in_url(address: str) -> str:
    """Write an address as a URL's host."""
    return f"[{address}]" if ":" in address else address
