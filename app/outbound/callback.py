"""The client that carries deliveries to receivers: hosts that strangers name, so behind the address guard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

import httpx
from aiohttp.abc import AbstractResolver

from app.outbound.direct import DirectClient
from app.outbound.egress import (
    LOOKUP_SECONDS,
    GuardedResolver,
    SystemResolver,
    guarded_connector,
)
from app.outbound.http import (
    USER_AGENT,
    ErrorClass,
    Exchange,
    NoAnswer,
    OutboundClient,
    exchange,
    parse_url,
    tls_context,
)
from app.outbound.http1 import Bounds
from app.outbound.proxy import open_proxied_client

# What is kept of a receiver's answer. A person reads it to see what the receiver said; more is neither read nor kept.
MAX_ANSWER_BYTES = 1024
# How long that much is waited for once the status is known, which alone decides (docs/decisions/0007).
EXCERPT_SECONDS = 1.0

_OWN_HEADERS = {"user-agent": USER_AGENT, "content-type": "application/json"}


class _Sender(Protocol):
    """Sends a POST on its way, by whatever way."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, bounds: Bounds) -> Exchange: ...
    async def aclose(self) -> None: ...


class _ProxiedSender:
    """Through the operator's proxy, over httpx."""

    def __init__(self, client: OutboundClient) -> None:
        self._client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, bounds: Bounds) -> Exchange:
        try:
            request = httpx.Request("POST", parse_url(url), headers=dict(headers), content=body)
        except (httpx.InvalidURL, ValueError):
            return NoAnswer(ErrorClass.PROTOCOL, 0.0)
        return await exchange(
            self._client,
            request,
            deadline_seconds=bounds.deadline_seconds,
            max_body_bytes=bounds.max_body_bytes,
            excerpt_seconds=bounds.excerpt_seconds,
        )

    async def aclose(self) -> None:
        await self._client.aclose()


class CallbackClient:
    """One long-lived client per process. Make it inside a running loop, and close it or use it in `async with`.

    `timeout_seconds` bounds a whole attempt, the wait for one of the `max_connections` included: whoever runs
    more attempts than that at once makes the later ones time out. `extra_trust_roots` is a PEM file of
    certificate authorities to trust beside the public ones; `resolver` replaces the system's name lookup.
    `proxy_url`, unless it is empty, is the address of the proxy through which everything goes (proxy.py).
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        max_connections: int,
        allow_private: bool,
        extra_trust_roots: Path | None = None,
        resolver: AbstractResolver | None = None,
        proxy_url: str = "",
    ) -> None:
        self._bounds = Bounds(timeout_seconds, MAX_ANSWER_BYTES, EXCERPT_SECONDS)
        tls = tls_context(extra_trust_roots)
        # What the proxy may dial is more than what this machine could.
        names = resolver or SystemResolver(every_family=bool(proxy_url))
        self._resolver = GuardedResolver(names, allow_private=allow_private, lookup_seconds=LOOKUP_SECONDS)
        self._sender: _Sender
        if proxy_url:
            judge = None if allow_private else self._resolver
            self._sender = _ProxiedSender(
                open_proxied_client(proxy_url, names, judge, max_connections=max_connections, tls=tls)
            )
        else:
            connector = guarded_connector(self._resolver, allow_private=allow_private, max_connections=0, tls=tls)
            self._sender = DirectClient(connector, max_connections)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        """POST a JSON body. The client's own headers win over `headers`.

        The status is the answer; of the body, 1,024 bytes are kept, or what of them comes within a second. A URL or
        header that cannot be written, having been stored by other rules than today's, is a failed attempt.
        """
        lowered = {name.lower(): value for name, value in headers.items()}
        return await self._sender.post(url, lowered | _OWN_HEADERS, body, self._bounds)

    async def aclose(self) -> None:
        """Close every connection. What is under way ends as an answer that did not come."""
        await self._sender.aclose()
        await self._resolver.close()

    async def __aenter__(self) -> Self:
        """Return the client itself: it is open from the start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.aclose()
