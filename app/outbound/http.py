"""One request and what came of it, as a type: the ground that every outbound client stands on.

`exchange` never raises for anything that the other side, or the way to it, did: the whole of it ends as an
`Answer` or as a `NoAnswer` with the stage that failed. What bounds it:

* One deadline for everything (waiting for a free connection, lookup, connecting, TLS, headers, body). Timeouts
  per read would let a server that sends a byte now and then go on for ever.
* A cap on the body, which is read raw: a compressed body is never unpacked, and what exceeds the cap is not
  drained but dropped together with its connection.
* The sizes of status line and headers, by aiohttp (8,190 bytes a line, 128 headers).

The client is an `httpx.AsyncClient` whose `send` is one step: the request goes to a transport over aiohttp's
connections and its answer comes back. What httpx's own `send` does besides would do harm here: it keeps cookies
for unrelated receivers, raises on a redirect whose target is malformed although nobody follows it, logs
every URL, and costs a third of a request's time. `httpx_aiohttp`'s transport is not used because it rewrites URLs
(`%2F` in a query becomes `/`): a receiver that signs its URLs would not know them again. Measured in one run with
300 connections and 100 ms latency, requests per CPU-second: httpx's client over httpx_aiohttp 2,300, that
transport alone 3,400, this client 4,200, aiohttp without httpx 6,300.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from app.outbound.egress import AddressNotAllowed, NameNotResolved, open_connector

USER_AGENT = f"Ringback/{version('ringback')}"
# Parsing a URL is a tenth of a request's cost, and the same ones are asked for again and again.
_REMEMBERED_URLS = 16_384


class ErrorClass(StrEnum):
    """The stage at which an exchange failed."""

    TIMEOUT = "timeout"
    """No complete answer before the deadline, whatever took so long."""
    DNS = "dns"
    """The host name has no address, or none in time."""
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    """The host leads to an address that is not public."""
    CONNECT = "connect"
    """Nobody accepted the connection."""
    TLS = "tls"
    """No agreement on TLS: certificate, name or protocol."""
    RESET = "reset"
    """The connection ended before the answer was complete."""
    PROTOCOL = "protocol"
    """What came was not HTTP, or the request could not be written as HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, or its beginning: `truncated` says that `body` was cut at the cap.

    `headers` ignores the case of names. `body` is as it was sent, still compressed if the server did so unasked.
    """

    status_code: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer, or not all of one; the other side may have acted on the request all the same."""

    error: ErrorClass
    duration_seconds: float


Exchange = Answer | NoAnswer

# The first row of which an instance is found among an error's causes decides.
_STAGES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], ErrorClass], ...] = (
    (AddressNotAllowed, ErrorClass.ADDRESS_NOT_ALLOWED),
    ((NameNotResolved, aiohttp.ClientConnectorDNSError, socket.gaierror), ErrorClass.DNS),
    ((ssl.SSLError, ssl.CertificateError, aiohttp.ServerFingerprintMismatch), ErrorClass.TLS),
    (aiohttp.ClientConnectorError, ErrorClass.CONNECT),
    (TimeoutError, ErrorClass.TIMEOUT),
    # Before the parser's own errors: aiohttp tells of a body that ended early as a parser that wanted more.
    (aiohttp.ClientPayloadError, ErrorClass.RESET),
    (HttpProcessingError, ErrorClass.PROTOCOL),
    ((aiohttp.ClientConnectionError, OSError), ErrorClass.RESET),
)

# What httpx, aiohttp and what lies below them raise about a request. The built-in ones are raised for malformed
# URLs and headers (ValueError, LookupError), by aiohttp's own assertions and by uvloop (RuntimeError).
_FOREIGN_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    AssertionError,
    RuntimeError,
)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx's transport interface over one aiohttp session. Make it inside a running loop; it owns `connector`.

    Follows no redirect, keeps no cookie, unpacks nothing, obeys no environment variable, and sends URLs
    byte for byte. Raises aiohttp's errors, which exchange() translates.
    """

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The deadline is exchange()'s.
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, whose body must be in memory, and return once the headers of the answer are there."""
        response = await self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_RawBody(response))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class OutboundClient(httpx.AsyncClient):
    """An httpx client that sends a request as it stands, through its one transport."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        transport = AiohttpTransport(connector)
        super().__init__(transport=transport, trust_env=False, timeout=None)
        self._outbound = transport

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        """Send `request`; httpx's other arguments (`auth`, `follow_redirects`) have no effect."""
        response = await self._outbound.handle_async_request(request)
        response.request = request
        if not stream:
            await response.aread()
        return response


class _RawBody(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        # A connection whose answer was read to its end goes back to the pool, any other is closed.
        self._response.release()
        await self._response.wait_for_close()


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    deadline_seconds: float,
    max_body_bytes: int,
) -> Exchange:
    """Send one request and read its answer; both end within `deadline_seconds`, or are given up.

    Raises RuntimeError if the client is closed, and lets a cancellation through.
    """
    if client.is_closed:
        raise RuntimeError("the client is closed")
    request.headers.setdefault("accept-encoding", "identity")
    started = time.perf_counter()
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.send(request, stream=True)
            content, truncated = await _read(response, max_body_bytes)
    except _FOREIGN_ERRORS as error:
        return NoAnswer(_stage_of(error), time.perf_counter() - started)
    duration_seconds = time.perf_counter() - started
    return Answer(response.status_code, response.headers, content, truncated, duration_seconds)


@lru_cache(_REMEMBERED_URLS)
def parse_url(url: str) -> httpx.URL:
    """Parse a URL that will be asked for again; raises httpx.InvalidURL."""
    return httpx.URL(url)


@asynccontextmanager
async def open_client(
    *,
    max_connections: int,
    keepalive_seconds: float = 15.0,
    extra_trust_roots: Path | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for hosts that the operator named: it dials any address.

    Idle connections are kept for `keepalive_seconds`. A GET that meets a connection which the server has just
    closed is sent again by aiohttp, once and within the same deadline.
    """
    connector = open_connector(
        max_connections=max_connections,
        tls=tls_context(extra_trust_roots),
        keepalive_seconds=keepalive_seconds,
    )
    async with OutboundClient(connector) as client:
        yield client


def tls_context(extra_trust_roots: Path | None = None) -> ssl.SSLContext:
    """Trust what httpx trusts (certifi's list), and the certificates of a PEM file beside it.

    Raises OSError if the file cannot be read and ssl.SSLError if it holds no certificate.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    if extra_trust_roots is not None:
        context.load_verify_locations(cafile=extra_trust_roots)
    return context


async def _read(response: httpx.Response, max_body_bytes: int) -> tuple[bytes, bool]:
    """The raw body up to the cap, and whether there was more."""
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous client answers with an asynchronous stream")
    content = bytearray()
    try:
        # Not `aiter_raw()`: that is a generator, and one that is left early lingers until it is collected.
        async for chunk in stream:
            content += chunk
            if len(content) > max_body_bytes:
                break
    finally:
        await response.aclose()
    return bytes(content[:max_body_bytes]), len(content) > max_body_bytes


def _stage_of(error: BaseException) -> ErrorClass:
    causes = list(_causes(error))
    for kinds, stage in _STAGES:
        if any(isinstance(cause, kinds) for cause in causes):
            return stage
    return ErrorClass.PROTOCOL


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__
    return causes
