"""One request and what came of it, as a type: the ground that every outbound client stands on.

`exchange` never raises for anything that the other side, or the way to it, did: the whole of it ends as an
`Answer` or as a `NoAnswer` with the stage that failed. What bounds it:

* One deadline for everything (waiting for a free connection, lookup, connecting, TLS, headers, body). Timeouts
  per read would let a server that sends a byte now and then go on for ever.
* A cap on the body, which is read raw: a compressed body is never unpacked, and what exceeds the cap is not
  drained but dropped together with its connection.
* The sizes of status line and headers, by aiohttp (8,190 bytes a line, 128 headers), and everything that comes
  together, by a meter (metering.py).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
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

from app.outbound.egress import AddressNotAllowed, NameNotResolved, ProxyNotReached
from app.outbound.transport import MAX_BODY_BYTES, AiohttpTransport

USER_AGENT = f"Ringback/{version('ringback')}"
# Parsing a URL is a tenth of a request's cost, and the same ones are asked for again and again.
_REMEMBERED_URLS = 1024
# RFC 9110, section 15: what is below is no status.
_LOWEST_STATUS = 100
# A byte of a body takes at most six on its way, in a chunk of its own.
_FRAMING = 6
_TRAILER_BYTES = 4096


class ErrorClass(StrEnum):
    """The stage at which an exchange failed."""

    TIMEOUT = "timeout"
    """No complete answer before the deadline, whatever took so long."""
    DNS = "dns"
    """The host name has no address, or none in time."""
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    """The host leads to an address that is not public."""
    PROXY = "proxy"
    """The operator's proxy was not there, or would not pass the request on."""
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
    """A complete answer, or its beginning: `truncated` says that `body` is not all of it.

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
    ((ProxyNotReached, aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), ErrorClass.PROXY),
    (AddressNotAllowed, ErrorClass.ADDRESS_NOT_ALLOWED),
    ((NameNotResolved, aiohttp.ClientConnectorDNSError, socket.gaierror), ErrorClass.DNS),
    ((ssl.SSLError, ssl.CertificateError, aiohttp.ServerFingerprintMismatch), ErrorClass.TLS),
    # Before the connecting itself, to which aiohttp counts the handshake of TLS.
    (ConnectionResetError, ErrorClass.RESET),
    (aiohttp.ClientConnectorError, ErrorClass.CONNECT),
    (TimeoutError, ErrorClass.TIMEOUT),
    # Before the parser's own errors: aiohttp tells of a body that ended early as a parser that wanted more.
    (aiohttp.ClientPayloadError, ErrorClass.RESET),
    (HttpProcessingError, ErrorClass.PROTOCOL),
    ((aiohttp.ClientConnectionError, OSError), ErrorClass.RESET),
)

# What httpx, aiohttp and what lies below them raise about a request. The built-in ones are raised for malformed
# URLs and headers (ValueError, LookupError), by aiohttp's own assertions and by uvloop (RuntimeError).
FOREIGN_ERRORS = (
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


class OutboundClient(httpx.AsyncClient):
    """An httpx client that sends a request as it stands, through its one transport."""

    def __init__(self, connector: aiohttp.BaseConnector, proxy: URL | None = None) -> None:
        transport = AiohttpTransport(connector, proxy)
        super().__init__(transport=transport, trust_env=False, timeout=None)
        self._outbound = transport

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        """Send `request`; httpx's other arguments (`auth`, `follow_redirects`) have no effect."""
        response = await self._outbound.handle_async_request(request)
        response.request = request
        if not stream:
            await response.aread()
        return response


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    deadline_seconds: float,
    max_body_bytes: int,
    excerpt_seconds: float | None = None,
) -> Exchange:
    """Send one request and read its answer; both end within `deadline_seconds`, or are given up.

    Without `excerpt_seconds` an answer needs its body: one that is late, cut off or malformed is no answer. With it
    the status is the answer, and of the body that is kept which comes, in good order, within so many seconds of
    the headers (and within the deadline).

    Raises RuntimeError if the client is closed, and lets a cancellation through.
    """
    if client.is_closed:
        raise RuntimeError("the client is closed")
    request.headers.setdefault("accept-encoding", "identity")
    request.extensions[MAX_BODY_BYTES] = _FRAMING * max_body_bytes + _TRAILER_BYTES
    started = time.perf_counter()
    response, content = None, bytearray()
    try:
        async with asyncio.timeout(deadline_seconds) as deadline:
            response = await client.send(request, stream=True)
            if excerpt_seconds is not None:
                _bring_forward(deadline, excerpt_seconds)
            truncated = await _read(response, content, max_body_bytes)
    except FOREIGN_ERRORS as error:
        if response is None or excerpt_seconds is None:
            return NoAnswer(stage_of(error), time.perf_counter() - started)
        truncated = True
    duration_seconds = time.perf_counter() - started
    if response.status_code < _LOWEST_STATUS:
        return NoAnswer(ErrorClass.PROTOCOL, duration_seconds)
    return Answer(response.status_code, response.headers, bytes(content), truncated, duration_seconds)


@lru_cache(_REMEMBERED_URLS)
def parse_url(url: str) -> httpx.URL:
    """Parse a URL that will be asked for again; raises httpx.InvalidURL."""
    return httpx.URL(url)


@lru_cache(4)
def tls_context(extra_trust_roots: Path | None = None) -> ssl.SSLContext:
    """Trust what httpx trusts (certifi's list), and the certificates of a PEM file beside it.

    Read once: what changes in the file holds from the next start on. Raises OSError if the file cannot be read
    and ssl.SSLError if it holds no certificate.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    if extra_trust_roots is not None:
        context.load_verify_locations(cafile=extra_trust_roots)
    return context


def _bring_forward(deadline: asyncio.Timeout, seconds: float) -> None:
    """Let a running timeout end within so many seconds, unless it ends before."""
    when, sooner = deadline.when(), asyncio.get_running_loop().time() + seconds
    deadline.reschedule(sooner if when is None else min(when, sooner))


async def _read(response: httpx.Response, content: bytearray, max_body_bytes: int) -> bool:
    """Read the raw body into `content`, up to the cap; return whether there was more."""
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous client answers with an asynchronous stream")
    try:
        # Not `aiter_raw()`: that is a generator, and one that is left early lingers until it is collected.
        async for chunk in stream:
            content += chunk
            if len(content) > max_body_bytes:
                del content[max_body_bytes:]
                return True
    finally:
        await response.aclose()
    return False


def stage_of(error: BaseException) -> ErrorClass:
    """Return the stage at which an exchange failed that ended with one of `FOREIGN_ERRORS`."""
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
