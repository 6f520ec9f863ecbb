"""One origin (scheme, host and port) and the connections to it that are kept open."""

import asyncio
from time import perf_counter

from app.outbound.dialling import Dialler
from app.outbound.http import FOREIGN_ERRORS, Exchange, NoAnswer, stage_of
from app.outbound.http1 import Bounds, Connection


class Origin:
    """One scheme, host and port, and its connections. At most as many are opened as exchanges are under way at once.

    Connections that were idle for `keepalive_seconds` are closed. Make it inside a running loop.
    """

    def __init__(self, dialler: Dialler, url: str, keepalive_seconds: float) -> None:
        """`url` is any of the origin's; the dialler stays the caller's to close."""
        self._dialler = dialler
        self._url = url
        self._keepalive_seconds = keepalive_seconds
        self._loop = asyncio.get_running_loop()
        # The one used last comes first, so that those which a quieter time does not need grow old.
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._under_way = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def unused(self) -> bool:
        """Whether there is neither a connection nor an exchange under way."""
        return not self._open and not self._under_way

    async def exchange(self, request: bytes, bounds: Bounds, started: float | None = None) -> Exchange:
        """Send one request and read its answer; both end within the deadline, or are given up.

        It began when the performance counter showed `started`, or begins now. Of the headers, the answer has
        `retry-after` alone. Raises RuntimeError if this is closed, and lets a cancellation through.
        """
        if self._closed:
            raise RuntimeError("the client is closed")
        started = perf_counter() if started is None else started
        self._under_way += 1
        try:
            if self._idle:
                connection = self._idle.pop()
                answer = await connection.ask(request, started, bounds)
                if not connection.was_closed_before(answer):
                    return answer
            return await self._exchange_anew(request, started, bounds)
        finally:
            self._under_way -= 1

    async def _exchange_anew(self, request: bytes, started: float, bounds: Bounds) -> Exchange:
        try:
            async with asyncio.timeout(bounds.deadline_seconds - (perf_counter() - started)):
                line = await self._dialler.dial(self._url)
        except FOREIGN_ERRORS as error:
            return NoAnswer(stage_of(error), perf_counter() - started)
        connection = Connection(self, line)
        self._open.add(connection)
        return await connection.ask(request, started, bounds)

    def release(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._keepalive_seconds, self._sweep)

    def forget(self, connection: Connection) -> None:
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
