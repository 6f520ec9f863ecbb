"""Callbacks by way of the operator's proxy, for receivers that know us by a fixed address.

The wall (egress.py) is built on knowing the address that is dialled. Behind a proxy that is always the proxy's
own, which the operator has named and which may be private, so the wall is built in two other places:

* The connector dials the proxy and nothing else. A request that would go past it, for whatever reason, meets
  `ProxyGate`, as resolver and as socket factory.
* Before the proxy is asked for a host, `check_destination` looks at it as the wall would: a literal address must be
  public, a name is looked up here and refused if one of its answers is not, or if it has none.

The proxy looks the name up again. What it is told then may be another address (DNS rebinding), which nothing
here can see: the proxy itself must refuse private addresses. docs/decisions/0006-egress-proxy.md.

With `https` the proxy is asked for a tunnel (CONNECT), and TLS is verified with the receiver, through it. With plain
`http` it is given the whole request, so that an error page of the proxy looks like the receiver's answer.
"""

import socket
import ssl
from ipaddress import ip_address

import httpx
from aiohttp import BaseConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.outbound.egress import (
    KEEPALIVE_SECONDS,
    LOOKUP_SECONDS,
    AddressInfo,
    AddressNotAllowed,
    GuardedResolver,
    NameNotResolved,
    ProxyNotReached,
    open_connector,
    refuse_unless_public,
)
from app.outbound.http import OutboundClient


class ProxyGate(AbstractResolver):
    """The one way out of a connector: to the proxy's host and port, by any of the addresses that it has had."""

    def __init__(self, proxy: URL, resolver: GuardedResolver) -> None:
        self._host = proxy.raw_host or ""
        self._port = proxy.port
        self._resolver = resolver
        # A literal address is dialled without a lookup.
        self._addresses = {self._host}

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the proxy's addresses; raises ProxyNotReached, and AddressNotAllowed for every other host."""
        if host != self._host:
            raise AddressNotAllowed("only the proxy is dialled")
        try:
            answers = await self._resolver.resolve(host, port, family)
        except NameNotResolved as error:
            raise ProxyNotReached("the proxy's name has no address") from error
        self._addresses.update(answer["host"] for answer in answers)
        return answers

    def open_socket(self, address_info: AddressInfo) -> socket.socket:
        """Open the socket for a dial to the proxy; raises AddressNotAllowed for every other dial."""
        family, kind, protocol, _, address = address_info
        if address[0] not in self._addresses or address[1] != self._port:
            raise AddressNotAllowed("only the proxy is dialled")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._resolver.close()


class ProxiedClient(OutboundClient):
    """Sends requests through the proxy, each after a look at where it is to go."""

    def __init__(self, connector: BaseConnector, proxy: URL, destinations: GuardedResolver | None) -> None:
        """Without `destinations` nothing looks at where a request is to go."""
        super().__init__(connector, proxy)
        self._destinations = destinations

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: object) -> httpx.Response:
        """Send `request`; raises AddressNotAllowed or NameNotResolved before the proxy has heard of it."""
        if self._destinations is not None:
            await check_destination(self._destinations, request.url.raw_host.decode())
        return await super().send(request, stream=stream)


def open_proxied_client(
    proxy_url: str,
    names: AbstractResolver,
    destinations: GuardedResolver | None,
    *,
    max_connections: int,
    tls: ssl.SSLContext,
) -> ProxiedClient:
    """Make a client for which everything goes to the proxy; inside a running loop.

    `names` looks up the proxy itself. `destinations` judges where requests are to go; without it nothing does.
    """
    proxy = URL(proxy_url)
    gate = ProxyGate(proxy, GuardedResolver(names, allow_private=True, lookup_seconds=LOOKUP_SECONDS))
    connector = open_connector(
        max_connections=max_connections,
        tls=tls,
        keepalive_seconds=KEEPALIVE_SECONDS,
        resolver=gate,
        socket_factory=gate.open_socket,
    )
    return ProxiedClient(connector, proxy, destinations)


async def check_destination(resolver: GuardedResolver, host: str) -> None:
    """Raise AddressNotAllowed or NameNotResolved unless `host` is a public address, or a name that leads to such."""
    try:
        ip_address(host)
    except ValueError:
        await resolver.resolve(host)
    else:
        refuse_unless_public(host)
