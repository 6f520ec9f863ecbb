"""A meter on every connection: what aiohttp leaves unwatched between the socket and its parser.

* **Too much.** aiohttp bounds a line and the number of headers, but not how many interim answers (1xx) precede
  an answer, nor chunk extensions or empty lines. Measured over loopback: a flood of `103 Early Hints` held the
  event loop for the whole deadline and took 200 MB. So the interim answers of one exchange are counted, and all its
  bytes, whatever they are.
* **In one piece.** When the rest of a packet is no HTTP, aiohttp forgets the head that came before it in the same
  packet, and the verdict would hang on how the network cut the stream. So each head is passed on by itself.
* **Too late.** What a server says after its answer, while the connection is idle, aiohttp would take for the answer to
  the next request: a 200 for a delivery that nobody took. So anything that arrives after an answer ends the connection.
* **Just closed.** A server may close an idle connection in the very moment in which the next request is written
  to it. Nobody processed that request as a rule, yet the attempt would fail. It is sent once more at once when the
  connection had served before and not one byte came back: a poll only asks, and a delivery carries the same
  `webhook-id` again, by which a receiver knows what it has already. (aiohttp itself does so for GET alone.)
"""

import asyncio
import re
from collections.abc import Iterator

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

# Interim answers, status line and headers together; several times what common servers send, or clients accept.
_HEAD_BYTES = 65_536
# A parsed interim answer takes a hundred times its bytes; servers send one or two.
_INTERIM_ANSWERS = 32
# The end of a head, as lenient as the parser is.
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LONGEST_END = 4
# 101 is final: what follows is another protocol.
_INTERIM = re.compile(rb"[\r\n]*HTTP/\d\.\d 1(?!01)")
_ENOUGH_FOR_A_STATUS = 32


class _Meter(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol."""

    def __init__(self, transport: asyncio.Transport, protocol: ResponseHandler) -> None:
        self._transport = transport
        self._protocol = protocol
        self.open(0)

    def open(self, body_bytes: int) -> None:
        """Let one answer pass, whose body takes so many bytes at most: a request is about to be written."""
        self._left, self._body_bytes = _HEAD_BYTES, body_bytes
        self._in_head, self._head, self._tail = True, b"", b""
        self._interim_answers = 0
        self._refused = False
        self._body: aiohttp.StreamReader | None = None
        self.silent = True
        """Whether nothing has arrived since the last request."""

    def watch(self, body: aiohttp.StreamReader) -> None:
        """Pass on the body of an answer whose head is read, and let nothing pass after it."""
        self._body = body
        body.on_eof(self._shut)
        self._break_off()

    def data_received(self, data: bytes) -> None:
        self.silent = False
        for piece in self._pieces(data) if self._in_head else (data,):
            passed = piece[: self._left]
            self._left -= len(passed)
            if passed:
                self._protocol.data_received(passed)
            if len(passed) < len(piece):
                self._refuse()
                return
        self._break_off()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut after each end of a head, also where that is split between two packets."""
        seam, start = len(self._tail), 0
        whole = self._tail + data
        self._tail = whole[1 - _LONGEST_END :]
        for match in _END_OF_HEAD.finditer(whole):
            end = match.end() - seam
            head = self._head + data[start : min(end, start + _ENOUGH_FOR_A_STATUS)]
            if self._in_head and end > start and head.strip(b"\r\n"):
                self._head = head
                yield data[start:end]
                start = end
                self._end_head()
        if self._in_head and len(self._head) < _ENOUGH_FOR_A_STATUS:
            self._head += data[start : start + _ENOUGH_FOR_A_STATUS]
        if start < len(data):
            yield data[start:]

    def _end_head(self) -> None:
        if _INTERIM.match(self._head):
            self._interim_answers += 1
            if self._interim_answers > _INTERIM_ANSWERS:
                self._left = 0
        else:
            self._in_head, self._left = False, self._body_bytes
        self._head = b""

    def _refuse(self) -> None:
        """End the connection. Who reads the body gets what has been passed on first."""
        if self._in_head:
            self._protocol.set_exception(HttpProcessingError(message="more than an answer may have"))
        self._refused = True
        self._transport.abort()

    def _shut(self) -> None:
        self._left = 0

    def _break_off(self) -> None:
        """Tell who waits for the body of what was no HTTP; aiohttp leaves it waiting."""
        error = None if self._refused else self._protocol.exception()
        if error is not None and self._body is not None and not self._body.is_eof():
            self._body.set_exception(error)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


class MeteredRequest(aiohttp.ClientRequest):
    """A request that puts a meter on its connection, or finds the one that an earlier request has put there."""

    max_body_bytes = 0
    _meter: _Meter | None = None
    _reused = False

    @property
    def met_a_closed_connection(self) -> bool:
        """Whether it was written to a connection that had served before and said nothing since."""
        return self._reused and self._meter is not None and self._meter.silent

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request; raises aiohttp.ClientConnectionError."""
        transport, protocol = conn.transport, conn.protocol
        if transport is None or protocol is None:
            raise aiohttp.ClientConnectionError("the connection is gone")
        found = transport.get_protocol()
        self._reused = isinstance(found, _Meter)
        self._meter = found if isinstance(found, _Meter) else _Meter(transport, protocol)
        if not self._reused:
            transport.set_protocol(self._meter)
        self._meter.open(self.max_body_bytes)
        return await super().send(conn)

    def watch_body(self, response: aiohttp.ClientResponse) -> None:
        """Let nothing pass once the answer, whose head is read, is complete."""
        if self._meter is not None:
            self._meter.watch(response.content)


def metered(max_body_bytes: int) -> aiohttp.ClientMiddlewareType:
    """Return the middleware of one MeteredRequest, whose answer's body may take so many bytes, framing included."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if not isinstance(request, MeteredRequest):
            raise TypeError("the session makes other requests than metered ones")
        request.max_body_bytes = max_body_bytes
        try:
            response = await handler(request)
        except aiohttp.ClientConnectionError:
            if not request.met_a_closed_connection:
                raise
            response = await handler(request)
        request.watch_body(response)
        return response

    return send
