"""The other ends of the wire, scripted: an upstream that is told what to say, and a receiver that keeps what it got.

Both are applications for `tests.servers.serve`, and belong to the event loop that serves them.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

# Bounds what should have happened long before, on a machine that is busy with other things.
PATIENCE_SECONDS = 40.0
_LOOK_AGAIN_SECONDS = 0.02
_AT_ONCE = asyncio.Event()
_AT_ONCE.set()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a peer answers, once what it `waits_for` is set; one that `hangs` says nothing until the other side goes."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    waits_for: asyncio.Event = _AT_ONCE


@dataclass(frozen=True, slots=True)
class Receipt:
    """A request as it arrived, and the status that it was answered with (0 for none). Header names in lower case.

    `at` is when it had arrived, in Unix seconds.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    at: float = field(default_factory=time.time)

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Look again and again until something holds that nobody signals."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


class _Peer:
    """Counts what happens to it, so that a test can wait for it."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until `condition` holds; it is looked at whenever a request has arrived."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._happened.clear()
                    await self._happened.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what}") from None


class Receiver(_Peer):
    """Takes deliveries on any path, answers 204 unless told otherwise, and keeps them in the order of arrival.

    While it is `down`, it answers 503 to everything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[Receipt] = []
        self._by_path: defaultdict[str, list[Receipt]] = defaultdict(list)
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._default: dict[str, Reply] = {}
        self._refuses: dict[str, Callable[[bytes], bool]] = {}
        self.down = False

    def refuse(self, path: str, unwanted: Callable[[bytes], bool]) -> None:
        """Answer 500 to each request to `path` whose body is unwanted."""
        self._refuses[path] = unwanted

    def reply(self, path: str, *replies: Reply, then: Reply = Reply()) -> None:
        """Answer the next requests to `path` with `replies`, and all that follow with `then`."""
        self._replies[path].extend(replies)
        self._default[path] = then

    def at(self, path: str) -> list[Receipt]:
        """What has arrived at `path`."""
        return self._by_path[path]

    async def until_at(self, path: str, count: int, seconds: float = PATIENCE_SECONDS) -> list[Receipt]:
        """Wait for so many requests to `path`, and return all of them."""
        found = self.at(path)
        await self.until(lambda: len(found) >= count, f"{count} requests to {path}", seconds)
        return found

    def reply_to(self, path: str, body: bytes) -> Reply:
        """Choose the answer to a request."""
        if self.down or (path in self._refuses and self._refuses[path](body)):
            return Reply(503 if self.down else 500)
        replies = self._replies[path]
        return replies.popleft() if replies else self._default.get(path, Reply())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        path = request.url.path
        body = await request.body()
        reply = self.reply_to(path, body)
        receipt = Receipt(path, dict(request.headers), body, 0 if reply.hangs else reply.status)
        self.receipts.append(receipt)
        self._by_path[path].append(receipt)
        self._happened.set()
        await answer(reply, scope, receive, send)


class Upstream(_Peer):
    """The vendor's endpoint for the calls that a test has scripted; every other request goes to `otherwise`."""

    def __init__(self, otherwise: ASGIApp | None = None) -> None:
        super().__init__()
        self.polls: defaultdict[str, int] = defaultdict(int)
        self._otherwise = otherwise
        self._replies: dict[str, deque[Reply]] = {}
        self._default: dict[str, Reply] = {}

    def script(self, call_sid: str, *replies: Reply, then: Reply) -> None:
        """Answer the next polls of a call with `replies`, and all that follow with `then`."""
        self._replies[call_sid] = deque(replies)
        self._default[call_sid] = then

    async def until_polled(self, call_sid: str, count: int) -> None:
        await self.until(lambda: self.polls[call_sid] >= count, f"{count} polls of {call_sid}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call_sid = scope.get("path", "").rpartition("/")[2]
        if call_sid not in self._default:
            if self._otherwise is None:
                raise AssertionError(f"nothing is scripted for {call_sid!r}")
            await self._otherwise(scope, receive, send)
            return
        replies = self._replies[call_sid]
        reply = replies.popleft() if replies else self._default[call_sid]
        self.polls[call_sid] += 1
        self._happened.set()
        await answer(reply, scope, receive, send)


async def answer(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Give a reply to the request that an application was called with."""
    if not reply.hangs:
        await reply.waits_for.wait()
        await Response(reply.body, reply.status, dict(reply.headers))(scope, receive, send)
        return
    while (await receive())["type"] != "http.disconnect":
        pass
