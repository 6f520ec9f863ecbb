"""HTTP/1.1 to one origin over connections that are kept open, and nothing that costs time besides.

The poll worker asks one host the same kind of question thousands of times a second. Whatever a general client does for
each request (URLs, headers, redirects, cookies, a pool for many hosts, a task for each timeout) is most of what such a
request costs (docs/decisions/0012). Here a request is bytes that the caller has written, a connection is an
`asyncio.Protocol`, and what comes back is read by llhttp through httptools, the parser of uvicorn and of Node.

What bounds an exchange is what bounds one over the other client (http.py): one deadline for everything, caps on head
and body, and on how many interim answers there are; anything that arrives unasked ends the connection; a request that
meets a connection which the server has just closed is sent once more, on a new one.
"""

import asyncio
import socket
import ssl
from time import perf_counter
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer

# Status line and headers together, interim answers included; several times what common servers send.
_HEAD_BYTES = 65_536
_INTERIM_ANSWERS = 32
# RFC 9110, section 15.
_LOWEST_STATUS = 100
_LOWEST_FINAL_STATUS = 200
# A byte of a body takes at most six on its way, in a chunk of its own.
_FRAMING = 6
_TRAILER_BYTES = 4096
# Closing TLS waits for the other side's goodbye, which one that hangs never says.
_TLS_GOODBYE_SECONDS = 1.0
# The headers that tell where a body ends, and the only one that a caller is told.
_ENDINGS = frozenset({b"content-length", b"transfer-encoding"})
_TOLD = frozenset({b"retry-after"})


class Origin:
    """One scheme, host and port, and its connections. At most as many are opened as exchanges are under way at once.

    `tls` is the context to dial with, None for plain HTTP. Connections that were idle for `keepalive_seconds` are
    closed. Make it inside a running loop.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, keepalive_seconds: float) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._keepalive_seconds = keepalive_seconds
        self._loop = asyncio.get_running_loop()
        # The one used last comes first, so that those which a quieter time does not need grow old.
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(self, request: bytes, *, deadline_seconds: float, max_body_bytes: int) -> Exchange:
        """Send one request and read its answer; both end within `deadline_seconds`, or are given up.

        A body longer than `max_body_bytes` is cut off there. Of the headers, the answer has `retry-after` alone.
        Raises RuntimeError if this is closed, and lets a cancellation through.
        """
        started = perf_counter()
        if self._idle:
            connection = self._idle.pop()
            answer = await connection.ask(request, started, deadline_seconds, max_body_bytes)
            if not connection.was_closed_before(answer):
                return answer
        left = deadline_seconds - (perf_counter() - started)
        try:
            async with asyncio.timeout(left):
                connection = await self._dial()
        except OSError as error:
            return NoAnswer(_stage_of(error), perf_counter() - started)
        return await connection.ask(request, started, deadline_seconds, max_body_bytes)

    def release(self, connection: "_Connection") -> None:
        """Take back a connection whose answer is complete."""
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._keepalive_seconds, self._sweep)

    def forget(self, connection: "_Connection") -> None:
        """Take note that a connection is no more."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def aclose(self) -> None:
        """Close every connection. What is under way ends as an answer that did not come."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        opened = list(self._open)
        for connection in opened:
            connection.abort()
        if opened:
            await asyncio.wait([connection.lost for connection in opened])

    async def _dial(self) -> "_Connection":
        if self._closed:
            raise RuntimeError("the client is closed")
        more: dict[str, Any] = {}
        if self._tls is not None:
            more = {"server_hostname": self._host, "ssl_shutdown_timeout": _TLS_GOODBYE_SECONDS}
        _, connection = await self._loop.create_connection(
            lambda: _Connection(self), self._host, self._port, ssl=self._tls, **more
        )
        self._open.add(connection)
        return connection

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeper = None
        oldest = perf_counter() - self._keepalive_seconds
        for connection in [one for one in self._idle if one.idle_since <= oldest]:
            self._idle.remove(connection)
            connection.abort()
        if self._idle:
            wait = min(one.idle_since for one in self._idle) - oldest
            self._sweeper = self._loop.call_later(wait, self._sweep)


class _Connection(asyncio.Protocol):
    """One connection: idle, or with one request under way."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._parser: Any = HttpResponseParser(self)
        # A server that ends its lines with a bare line feed is understood, as by other clients.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._waiting: asyncio.Future[Exchange] | None = None
        self._silent = False
        self.idle_since = 0.0
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def was_closed_before(self, answer: Exchange) -> bool:
        """Whether a request on it, which had served before, found it closed: not one byte came back."""
        return isinstance(answer, NoAnswer) and answer.error is ErrorClass.RESET and self._silent

    async def ask(self, request: bytes, started: float, deadline_seconds: float, max_body_bytes: int) -> Exchange:
        """Send a request and return what came of it; `started` is the performance counter's time of its begin."""
        self._started, self._max_body_bytes = started, max_body_bytes
        self._left = _HEAD_BYTES
        self._interim_answers, self._silent = 0, True
        self._begin_answer()
        waiting: asyncio.Future[Exchange] = self._loop.create_future()
        self._waiting = waiting
        left = deadline_seconds - (perf_counter() - started)
        timer = self._loop.call_later(max(left, 0.0), self._end_without_answer, ErrorClass.TIMEOUT)
        try:
            self._transport.write(request)
            return await waiting
        except (OSError, RuntimeError):
            # uvloop says so of a connection that was lost a moment ago.
            self._end_without_answer(ErrorClass.RESET)
            return await waiting
        finally:
            timer.cancel()
            # Once it is answered, the connection may already be asked by somebody else.
            if self._waiting is waiting:
                # Cancelled: the answer is nobody's.
                self._waiting = None
                self.abort()

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._silent = False
        if self._waiting is None:
            self.abort()
            return
        self._left -= len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._end_without_answer(ErrorClass.PROTOCOL)
            self.abort()
            return
        self._after_data()

    def _after_data(self) -> None:
        """Act on what the parser has told."""
        if self._waiting is None:
            self._rest()
        elif self._left < 0:
            self._cut_off()

    def eof_received(self) -> None:
        """End a body that is as long as the connection lives (RFC 9112, section 6.3)."""
        if self._waiting is not None and self._in_body and self._until_the_end:
            self._end_with_answer(truncated=False)

    def connection_lost(self, error: Exception | None) -> None:
        self._end_without_answer(ErrorClass.TLS if isinstance(error, ssl.SSLError) else ErrorClass.RESET)
        self._origin.forget(self)
        self.lost.set_result(None)
        # They know each other.
        self._parser = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._waiting is None:
            self._unasked = True

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _ENDINGS:
            self._until_the_end = False
        elif name in _TOLD:
            self._headers[name.decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        # The parser forgets it with the message.
        self._kept_alive = self._parser.should_keep_alive()
        if self._status >= _LOWEST_FINAL_STATUS:
            self._left += _FRAMING * self._max_body_bytes + _TRAILER_BYTES
            self._in_body = True

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self._max_body_bytes:
            self._left = -1

    def on_message_complete(self) -> None:
        if self._waiting is None:
            self._unasked = True
        elif self._status >= _LOWEST_FINAL_STATUS:
            self._end_with_answer(truncated=len(self._body) > self._max_body_bytes)
        elif self._status < _LOWEST_STATUS:
            self._left = -1
        else:
            self._interim_answers += 1
            if self._interim_answers > _INTERIM_ANSWERS:
                self._left = -1
            self._begin_answer()

    def _begin_answer(self) -> None:
        self._status, self._body = 0, bytearray()
        self._headers: dict[str, str] = {}
        self._in_body, self._until_the_end, self._kept_alive, self._unasked = False, True, False, False

    def _cut_off(self) -> None:
        if self._in_body:
            self._end_with_answer(truncated=True)
        else:
            self._end_without_answer(ErrorClass.PROTOCOL)
        self.abort()

    def _end_with_answer(self, *, truncated: bool) -> None:
        body = bytes(self._body[: self._max_body_bytes]) if truncated else bytes(self._body)
        self._end(Answer(self._status, self._headers, body, truncated, perf_counter() - self._started))

    def _end_without_answer(self, error: ErrorClass) -> None:
        if self._waiting is not None:
            self._end(NoAnswer(error, perf_counter() - self._started))
            self.abort()

    def _end(self, outcome: Exchange) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    def _rest(self) -> None:
        """Go back to the idle ones, if the server means to go on and has said nothing unasked."""
        if self._unasked or not self._kept_alive:
            self.abort()
            return
        self.idle_since = perf_counter()
        self._origin.release(self)


def _stage_of(error: OSError) -> ErrorClass:
    """Return at which stage dialling failed."""
    match error:
        case TimeoutError():
            return ErrorClass.TIMEOUT
        case socket.gaierror():
            return ErrorClass.DNS
        case ssl.SSLError():
            return ErrorClass.TLS
        case ConnectionResetError():
            return ErrorClass.RESET
        case _:
            return ErrorClass.CONNECT
