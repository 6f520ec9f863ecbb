"""The wall round the callback client: it dials public addresses and no others.

aiohttp turns a host into addresses (`_resolve_host`) and opens a socket for each address that it dials. The wall
stands at both places. The resolver refuses a name as soon as one of its answers is not public: a name that
leads inside today is no receiver. The socket factory is asked for every single dial, literal addresses
included, and is told the very address that is dialled next; so a second lookup with another answer (DNS
rebinding), an odd spelling or a family that the resolver was not asked for changes nothing.

Refusals are OSErrors, because aiohttp's dialling (happy eyeballs and its loop over the addresses) is built to
be told by an OSError that an address is of no use.

Where the operator has named a proxy, the wall is another one: proxy.py.
"""

import asyncio
import socket
import ssl
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from app.domain.public_address import is_public

# A name that takes longer is as good as unknown; the system's own resolver would go on for half a minute.
LOOKUP_SECONDS = 5.0
# Lookups block a thread. The pool is the client's own: the event loop's pool is small (libuv's has four
# threads) and shared with everything else, so that a few dead name servers would stop every name.
LOOKUP_THREADS = 32
# Long enough that deliveries which start together share one lookup, short enough that a receiver's move shows.
DNS_CACHE_SECONDS = 5
# Below the 5 s after which Node, uvicorn and Apache close an idle connection: a POST into a connection that
# is just being closed is lost. It also bounds the idle sockets, which aiohttp does not count.
KEEPALIVE_SECONDS = 4.0

# Closing a TLS connection waits for the other side's goodbye, by default for 30 s. A receiver that hangs says
# none, and its socket would outlive the attempt by that much, uncounted by the connector.
TLS_GOODBYE_SECONDS = 1.0

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
SocketFactory = Callable[[AddressInfo], socket.socket]


class AddressNotAllowed(OSError):
    """An address that a callback may not go to was about to be dialled."""


class NameNotResolved(OSError):
    """A host name has no address, or none in time."""


class ProxyNotReached(OSError):
    """The operator's proxy could not be dialled, or would not pass the request on."""


class SystemResolver(AbstractResolver):
    """The system's own name lookup, in threads of its own.

    It asks for the families of address that this machine itself has, unless for `every_family`.
    """

    def __init__(self, *, every_family: bool = False) -> None:
        self._flags = 0 if every_family else socket.AI_ADDRCONFIG
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raises NameNotResolved."""
        loop = asyncio.get_running_loop()
        lookup = loop.run_in_executor(self._threads, _look_up, host, port, family, self._flags)
        try:
            answers = await lookup
        except (OSError, UnicodeError) as error:
            raise NameNotResolved("the name has no address") from error
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=answer_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for answer_family, _, protocol, _, address in answers
        ]

    async def close(self) -> None:
        """Forget the lookups that wait. One that runs is waited for only when the process ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Another resolver's answers, if they come in time and every one of them may be dialled."""

    def __init__(self, resolver: AbstractResolver, *, allow_private: bool, lookup_seconds: float) -> None:
        self._resolver = resolver
        self._allow_private = allow_private
        self._lookup_seconds = lookup_seconds

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return at least one address; raises NameNotResolved or AddressNotAllowed."""
        try:
            async with asyncio.timeout(self._lookup_seconds):
                answers = await self._resolver.resolve(host, port, family)
        except TimeoutError as error:
            raise NameNotResolved("the name was not resolved in time") from error
        if not answers:
            raise NameNotResolved("the name has no address")
        if not self._allow_private:
            for answer in answers:
                refuse_unless_public(answer["host"])
        return answers

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._resolver.close()


def refuse_unless_public(host: str) -> None:
    """Raise AddressNotAllowed unless `host` is the text of a public address."""
    try:
        public = is_public(ip_address(host))
    except ValueError:
        public = False
    if not public:
        raise AddressNotAllowed("the address is not public")


def open_guarded_socket(address_info: AddressInfo) -> socket.socket:
    """Open the socket for a dial; raises AddressNotAllowed. aiohttp calls this with what it dials next."""
    family, kind, protocol, _, address = address_info
    refuse_unless_public(str(address[0]))
    return socket.socket(family, kind, protocol)


def open_connector(
    *,
    max_connections: int,
    tls: ssl.SSLContext,
    keepalive_seconds: float,
    resolver: AbstractResolver | None = None,
    socket_factory: SocketFactory | None = None,
) -> aiohttp.TCPConnector:
    """Make a connector that dials anything, unless told otherwise; inside a running loop.

    `max_connections` 0 is no bound.
    """
    with warnings.catch_warnings():
        # Deprecated for aiohttp 4; what aiohttp 3 does without it is said at TLS_GOODBYE_SECONDS.
        warnings.filterwarnings("ignore", "The ssl_shutdown_timeout parameter", DeprecationWarning)
        return aiohttp.TCPConnector(
            resolver=resolver,
            socket_factory=socket_factory,
            ssl=tls,
            limit=max_connections,
            keepalive_timeout=keepalive_seconds,
            ttl_dns_cache=DNS_CACHE_SECONDS,
            ssl_shutdown_timeout=TLS_GOODBYE_SECONDS,
        )


def guarded_connector(
    resolver: GuardedResolver,
    *,
    allow_private: bool,
    max_connections: int,
    tls: ssl.SSLContext,
) -> aiohttp.TCPConnector:
    """Make the callback client's connector; inside a running loop. The resolver stays the caller's to close."""
    return open_connector(
        max_connections=max_connections,
        tls=tls,
        keepalive_seconds=KEEPALIVE_SECONDS,
        resolver=resolver,
        socket_factory=None if allow_private else open_guarded_socket,
    )


def _look_up(host: str, port: int, family: int, flags: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
