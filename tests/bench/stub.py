"""A very fast upstream and receiver in one process, which takes as little as it can of the machine it measures on.

`python -m tests.bench.stub PORT` serves on the loopback address:

* `GET /api/v1/{account}/{project}/outbound-call/status/{sid}` answers after the latency as the vendor does. The call's
  life stands in its SID (lives.py). Answers are kept ready until the next transition, and so tell of the connector
  that asked first.
* `POST` to any address answers 200 at once, and is remembered.
* `GET /stub/settings?latency_ms=100&remember=1` sets; each may be left out. With `remember=0` POSTs are only counted.
* `GET /stub/counters` and `GET /stub/arrivals` tell, as JSON (`Counters`) and as lines (`Arrival`); the arrivals told
  are forgotten. `GET /stub/reset` sets `most_at_once` to what is under way, and forgets the arrivals.

Requests are read by hand: nothing else is asked of it than what well-behaved clients send, with a Content-Length.
"""

import asyncio
import gc
import json
import math
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvloop

from tests.bench.lives import Life, answer

_LATENCY_SECONDS = 0.1
_HEAD_END = b"\r\n\r\n"
_CONTROL = b"/stub/"
# An answer takes 0.8 kB: so many take as much as the machines that this runs on can spare.
_MOST_READY = 200_000
_ACCEPTED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Stub:
    """What all connections share: the answers on their way, what has been received, the counters."""

    def __init__(self) -> None:
        self.latency_seconds = _LATENCY_SECONDS
        self.remember = True
        self.gets = self.posts = self.connections = self.accepted = self.most_connections = self.most_at_once = 0
        self.arrivals: list[bytes] = []
        # By target: until when it is true, in Unix seconds, and the whole answer.
        self._ready: dict[bytes, tuple[float, bytes]] = {}
        # All answers take the same time, so they leave in the order in which they were asked for: one timer is enough.
        self._waiting: deque[tuple[float, Connection, bytes]] = deque()
        self._loop = asyncio.get_running_loop()

    def answer_later(self, connection: "Connection", target: bytes, head: bytes) -> None:
        """Answer a request for a call's status when the latency is over."""
        self.gets += 1
        until, written = self._ready.get(target, (0.0, b""))
        # The answer tells what is true when it is asked for, as a server's does that reads before it is slow.
        if until < math.inf and until <= (now := time.time()):
            written = self._make_ready(target, head, now)
        if not self._waiting:
            self._loop.call_later(self.latency_seconds, self._send_due)
        self._waiting.append((self._loop.time() + self.latency_seconds, connection, written))
        self.most_at_once = max(self.most_at_once, len(self._waiting))

    def receive(self, head: bytes, body: bytes) -> None:
        """Remember a delivery."""
        self.posts += 1
        if self.remember:
            path = head[5 : head.find(b" ", 5)]
            told = b" ".join((_header(head, b"webhook-id"), *(_field(body, name) for name in _FIELDS), path))
            self.arrivals.append(b"%.6f %b" % (time.time(), told))

    def control(self, target: bytes) -> bytes:
        """Do what a control request asks for, and return the whole answer."""
        parts = urlsplit(target.decode())
        match parts.path.removeprefix("/stub/"):
            case "settings":
                asked = dict(parse_qsl(parts.query))
                self.latency_seconds = float(asked.get("latency_ms", self.latency_seconds * 1000)) / 1000
                self.remember = bool(int(asked.get("remember", self.remember)))
                return _ACCEPTED
            case "counters":
                return _written(200, json.dumps(self._counters()).encode())
            case "arrivals":
                told, self.arrivals = self.arrivals, []
                return _written(200, b"\n".join(told))
            case "reset":
                self.most_at_once, self.most_connections = len(self._waiting), self.connections
                self.arrivals.clear()
                return _ACCEPTED
            case _:
                return _written(404, b"{}")

    def _counters(self) -> dict[str, int]:
        names = ("gets", "posts", "connections", "accepted", "most_connections", "most_at_once")
        return {**{name: getattr(self, name) for name in names}, "at_once": len(self._waiting)}

    def _make_ready(self, target: bytes, head: bytes, now: float) -> bytes:
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        until, written = _status(target, head, now)
        self._ready[target] = until, written
        return written

    def _send_due(self) -> None:
        waiting, now = self._waiting, self._loop.time()
        while waiting and waiting[0][0] <= now:
            _, connection, written = waiting.popleft()
            connection.send(written)
        if waiting:
            self._loop.call_later(waiting[0][0] - now, self._send_due)


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._stub.accepted += 1
        self._stub.connections += 1
        self._stub.most_connections = max(self._stub.most_connections, self._stub.connections)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._stub.connections -= 1

    def data_received(self, data: bytes) -> None:
        """Act on every request that is complete."""
        if self._read:
            data = self._read + data
        while data:
            end = data.find(_HEAD_END)
            if end < 0:
                break
            if data.startswith(b"GET "):
                head, data = data[: end + 2], data[end + 4 :]
                self._get(head)
                continue
            body_ends = end + 4 + int(_header(data[: end + 2], b"content-length"))
            if len(data) < body_ends:
                break
            self._stub.receive(data[: end + 2], data[end + 4 : body_ends])
            self.send(_ACCEPTED)
            data = data[body_ends:]
        self._read = data

    def send(self, written: bytes) -> None:
        """Send an answer, unless the client has hung up."""
        if self._transport is not None:
            self._transport.write(written)

    def _get(self, head: bytes) -> None:
        target = head[4 : head.find(b" ", 4)]
        if target.startswith(_CONTROL):
            self.send(self._stub.control(target))
        else:
            self._stub.answer_later(self, target, head)


# What is remembered of a delivery's body: keys of the compact JSON that Ringback sends.
_FIELDS = (b'"sequence":', b'"type":', b'"call_sid":')


def _field(body: bytes, name: bytes) -> bytes:
    """Return what stands behind a key, up to the next comma and without quotes; `-` when there is none."""
    start = body.find(name)
    return body[start + len(name) : body.find(b",", start)].strip(b'"}') if start >= 0 else b"-"


def _header(head: bytes, name: bytes) -> bytes:
    """Return a header's value; `-` when there is none. `name` is in lower case."""
    start = head.lower().find(b"\r\n" + name + b":")
    return head[start + len(name) + 3 : head.find(b"\r\n", start + 2)].strip() if start >= 0 else b"-"


def _status(target: bytes, head: bytes, now: float) -> tuple[float, bytes]:
    """Return until when, in Unix seconds, an answer is true, and the answer."""
    try:
        *_, account, project, _, _, sid = target.decode().split("/")
        life = Life.of(sid)
    except ValueError:
        return math.inf, _written(400, b'{"error": "Invalid call SID format."}')
    if not life.status(now):
        return life.true_until(now), _written(404, b'{"error": "Call SID not found."}')
    connector = _header(head, b"x-connector-id").decode()
    return life.true_until(now), _written(200, answer(account, project, connector, sid, now))


def _written(code: int, body: bytes) -> bytes:
    """Write an answer, with the headers that a server behind a proxy has."""
    return (
        b"HTTP/1.1 %d Stub\r\ndate: Fri, 15 Mar 2024 10:00:00 GMT\r\nserver: stub\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (code, len(body), body)
    )


async def _serve(port: int) -> None:
    stub = Stub()
    # Nothing here is made in circles, and the answers kept ready would be gone through again and again.
    gc.disable()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=4096)
    sys.stdout.write("the stub listens\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
