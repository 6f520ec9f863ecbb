"""Server-Sent Events on the wire: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import asyncio
import json
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.connection import connection_of
from app.service.live.inbox import Gap, Item, StreamEnd
from app.service.live.streams import Stream

MEDIA_TYPE = "text/event-stream"
_HEADERS = {
    "cache-control": "no-store",
    # nginx would keep the events back until a buffer is full.
    "x-accel-buffering": "no",
}
# How soon a browser's EventSource, or whoever reads as it does, connects again.
_RETRY = b"retry: 3000\n\n"
_HEARTBEAT = b": heartbeat\n\n"
# A reader that takes nothing for so long is gone or stuck: its connection is broken off, with what waits on it.
_STUCK_SECONDS = 30.0


class EventStreamResponse(Response):
    """Tells a stream to its reader until either ends."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(self._until_gone(receive))
        try:
            async with asyncio.timeout(None) as patience:
                await self._tell(scope, send, patience)
        except TimeoutError:
            self._stream.inbox.end(StreamEnd.READER_TOO_SLOW)
            if connection := connection_of(scope):
                connection.abort()
        finally:
            self._stream.close()
            leaving.cancel()
            with suppress(asyncio.CancelledError):
                await leaving

    async def _tell(self, scope: Scope, send: Send, patience: asyncio.Timeout) -> None:
        del scope
        loop = asyncio.get_running_loop()

        async def sent(body: bytes, *, more: bool = True) -> None:
            patience.reschedule(loop.time() + _STUCK_SECONDS)
            await send({"type": "http.response.body", "body": body, "more_body": more})
            patience.reschedule(None)

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await sent(_RETRY)
        async with aclosing(self._stream.parts()) as parts:
            async for part in parts:
                if part is StreamEnd.READER_GONE:
                    break
                await sent(_frame(part))
        await sent(b"", more=False)

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._stream.inbox.end(StreamEnd.READER_GONE)


def _frame(part: Item | StreamEnd | None) -> bytes:
    match part:
        case None:
            return _HEARTBEAT
        case Gap():
            return b"event: stream.gap\ndata: " + _reason(part)
        case StreamEnd():
            return b"event: stream.end\ndata: " + _reason(part)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (part.event_id.encode(), part.event.type.encode(), part.data)


def _reason(why: Gap | StreamEnd) -> bytes:
    return json.dumps({"reason": why.value}).encode() + b"\n\n"
