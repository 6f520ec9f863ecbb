"""HTTP/1.1 over a connection that is kept open, and nothing that costs time besides.

The workers ask one host the same kind of question, or send receivers the same kind of message, thousands of times a
second. Whatever a general client does for each request (URLs, headers, redirects, cookies, a request and a response,
a task for each timeout) is most of what such a request costs (docs/decisions/0012). Here a request is bytes that the
caller has written, a connection is an `asyncio.Protocol`, and what comes back is read by llhttp through httptools, the
parser of uvicorn and of Node. Dialling is aiohttp's (dialling.py), behind whatever wall its connector has.

What bounds an exchange is what bounds one over httpx (http.py): one deadline for everything, caps on head and body, and
on how many interim answers there are; anything that arrives unasked ends the connection; a request that meets a
connection which the server has just closed is sent once more, on a new one.
"""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.outbound.dialling import Line
from app.outbound.http import Answer, ErrorClass, Exchange, NoAnswer, stage_of

# Status line and headers together, interim answers included; several times what common servers send.
_HEAD_BYTES = 65_536
_INTERIM_ANSWERS = 32
_MOST_HEADERS = 128
# RFC 9110, section 15; after 101 follows another protocol.
_LOWEST_STATUS = 100
_LOWEST_FINAL_STATUS = 200
_SWITCHING = 101
# A byte of a body takes at most six on its way, in a chunk of its own.
_FRAMING = 6
_TRAILER_BYTES = 4096
# The headers that tell where a body ends, and the only one that a caller is told.
_ENDINGS = frozenset({b"content-length", b"transfer-encoding"})
_TOLD = frozenset({b"retry-after"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an exchange may take. The body is cut off behind `max_body_bytes`.

    Without `excerpt_seconds` an answer needs its body: one that is late, cut off or malformed is no answer. With it
    the status is the answer, and of the body that is kept which comes, in good order, within so many seconds of
    the headers (and within the deadline).
    """

    deadline_seconds: float
    max_body_bytes: int
    excerpt_seconds: float | None = None


class Home(Protocol):
    """Where a connection belongs."""

    def release(self, connection: "Connection") -> None:
        """Take back a connection whose answer is complete."""

    def forget(self, connection: "Connection") -> None:
        """Take note that a connection is no more."""


class Connection(asyncio.Protocol):
    """One connection: idle, or with one request under way."""

    def __init__(self, home: Home, line: Line) -> None:
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._parser: Any = HttpResponseParser(self)
        # A server that ends its lines with a bare line feed is understood, as by other clients.
        self._parser.set_dangerous_leniencies(lenient_headers=True, lenient_optional_cr_before_lf=True)
        self._waiting: asyncio.Future[Exchange] | None = None
        self._silent = False
        self.idle_since = 0.0
        self.lost: asyncio.Future[None] = self._loop.create_future()
        # What a new one says before it is asked answers the first request.
        self._early = line.said
        line.hand_over(self)

    def was_closed_before(self, answer: Exchange) -> bool:
        """Whether a request on it, which had served before, found it closed: not one byte came back."""
        return isinstance(answer, NoAnswer) and answer.error is ErrorClass.RESET and self._silent

    async def ask(self, request: bytes, started: float, bounds: Bounds) -> Exchange:
        """Send a request and return what came of it; `started` is the performance counter's time of its begin."""
        self._started, self._bounds = started, bounds
        self._left = _HEAD_BYTES
        self._interim_answers, self._header_bytes, self._refused, self._silent = 0, 0, False, True
        self._begin_answer()
        waiting: asyncio.Future[Exchange] = self._loop.create_future()
        self._waiting = waiting
        left = bounds.deadline_seconds - (perf_counter() - started)
        self._timer = self._loop.call_later(max(left, 0.0), self._break_off, ErrorClass.TIMEOUT)
        try:
            self._line.write(request)
            if self._early:
                early, self._early = self._early, b""
                self.data_received(early)
            return await waiting
        except (OSError, RuntimeError):
            # uvloop says so of a connection that was lost a moment ago.
            self._break_off(ErrorClass.RESET)
            return await waiting
        finally:
            # Once it is answered, the connection may already be asked by somebody else.
            if self._waiting is waiting:
                # Cancelled: the answer is nobody's.
                self._waiting = None
                self._timer.cancel()
                self.abort()

    def abort(self) -> None:
        self._line.abort()

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        self._silent = False
        if self._waiting is None:
            if self.idle_since or len(self._early) > _HEAD_BYTES:
                self.abort()
            self._early += data
            return
        self._left -= len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._end_with_answer(truncated=True)
            self.abort()
        except HttpParserError:
            self._break_off(ErrorClass.PROTOCOL)
            self.abort()
        else:
            self._after_data()

    def eof_received(self) -> None:
        """End a body that is as long as the connection lives (RFC 9112, section 6.3)."""
        if self._waiting is not None and self._in_body and self._until_the_end:
            self._end_with_answer(truncated=False)

    def connection_lost(self, error: Exception | None) -> None:
        self._break_off(stage_of(error) if error else ErrorClass.RESET)
        self._home.forget(self)
        self._line.hang_up(error)
        self.lost.set_result(None)
        # They know each other.
        self._parser = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._waiting is None:
            self._unasked = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_seen += 1
        self._header_bytes += len(name) + len(value)
        if self._headers_seen > _MOST_HEADERS or self._header_bytes > _HEAD_BYTES or b"\0" in value:
            self._refused = True
        name = name.lower()
        if name in _ENDINGS:
            self._until_the_end = False
        elif name in _TOLD:
            # Several of one name are one with commas (RFC 9110, section 5.3).
            told = value.decode("latin-1")
            self._headers[name.decode()] = f"{before}, {told}" if (before := self._headers.get(name.decode())) else told

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        # The parser forgets it with the message.
        self._kept_alive = self._parser.should_keep_alive()
        if self._waiting is not None and self._status >= _LOWEST_FINAL_STATUS and not self._refused:
            self._left += _FRAMING * self._bounds.max_body_bytes + _TRAILER_BYTES
            self._in_body = True
            if self._bounds.excerpt_seconds is not None:
                self._bring_forward(self._bounds.excerpt_seconds)

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > self._bounds.max_body_bytes:
            self._left = -1

    def on_message_complete(self) -> None:
        if self._waiting is None:
            self._unasked = True
        elif self._status >= _LOWEST_FINAL_STATUS:
            if self._in_body:
                self._end_with_answer(truncated=len(self._body) > self._bounds.max_body_bytes)
        elif self._status < _LOWEST_STATUS:
            self._refused = True
        elif self._status != _SWITCHING:
            self._interim_answers += 1
            if self._interim_answers > _INTERIM_ANSWERS:
                self._refused = True
            self._begin_answer()

    def _begin_answer(self) -> None:
        self._status, self._body, self._headers_seen = 0, bytearray(), 0
        self._headers: dict[str, str] = {}
        self._in_body, self._until_the_end, self._kept_alive, self._unasked = False, True, False, False

    def _bring_forward(self, seconds: float) -> None:
        """Let the deadline come within so many seconds, unless it comes before."""
        if perf_counter() + seconds < self._started + self._bounds.deadline_seconds:
            self._timer.cancel()
            self._timer = self._loop.call_later(seconds, self._break_off, ErrorClass.TIMEOUT)

    def _after_data(self) -> None:
        """Act on what the parser has told."""
        if self._waiting is None:
            self._rest()
        elif self._status == _SWITCHING:
            self._end_with_answer(truncated=True)
            self.abort()
        elif self._left < 0 or self._refused:
            self._break_off(ErrorClass.PROTOCOL, cut_off=True)

    def _break_off(self, error: ErrorClass, *, cut_off: bool = False) -> None:
        """End what is under way, and the connection.

        A body that was cut off by its bound is an answer, and so is a status where that is enough.
        """
        if self._waiting is not None:
            if self._in_body and (cut_off or self._bounds.excerpt_seconds is not None):
                self._end_with_answer(truncated=True)
            else:
                self._end(NoAnswer(error, perf_counter() - self._started))
            self.abort()

    def _end_with_answer(self, *, truncated: bool) -> None:
        body = bytes(self._body[: self._bounds.max_body_bytes]) if truncated else bytes(self._body)
        self._end(Answer(self._status, self._headers, body, truncated, perf_counter() - self._started))

    def _end(self, outcome: Exchange) -> None:
        waiting, self._waiting = self._waiting, None
        self._timer.cancel()
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    def _rest(self) -> None:
        """Go back to the idle ones, if the server means to go on and has said nothing unasked."""
        if self._unasked or not self._kept_alive or self._left < 0 or self._refused:
            self.abort()
            return
        self.idle_since = perf_counter()
        self._home.release(self)
