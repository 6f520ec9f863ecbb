"""What one stream is still to tell: bounded, and emptied by whoever reads the stream."""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from app.domain.event import CallNames, Event, document, event_id

# Many times what a reader that keeps up is ever behind. What waits is shared with all other streams, but for 8 bytes.
MOST_WAITING = 4096


class Gap(StrEnum):
    """Why something may be missing from a stream."""

    UNKNOWN_EVENT_ID = "unknown_event_id"
    JOURNAL_TOO_SHORT = "journal_too_short"
    UNREADABLE = "unreadable"


class StreamEnd(StrEnum):
    """Why a stream ends."""

    CALL_ENDED = "call_ended"
    READER_TOO_SLOW = "reader_too_slow"
    SHUTTING_DOWN = "shutting_down"
    KEY_REVOKED = "key_revoked"
    READING_FAILED = "reading_failed"
    STORE_UNAVAILABLE = "store_unavailable"
    READER_GONE = "reader_gone"


@dataclass(frozen=True, slots=True)
class Told:
    """An event as streams tell it; `data` is the document, rendered once for all streams."""

    sequence: int
    event: Event
    event_id: str
    data: bytes

    @classmethod
    def of(cls, call: CallNames, sequence: int, event: Event) -> "Told":
        return cls(sequence, event, event_id(call, event), document(call, event, sequence))


Item = Told | Gap


class Inbox:
    """What a stream is still to tell. Never waits to be emptied: one that overflows is ended instead."""

    __slots__ = ("_items", "_news", "ended")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._news = asyncio.Event()
        self.ended: StreamEnd | None = None

    def put(self, item: Item) -> None:
        if self.ended:
            return
        if len(self._items) >= MOST_WAITING:
            # It would be told half of what waits, and then connect again for all of it.
            self._items.clear()
            self.end(StreamEnd.READER_TOO_SLOW)
            return
        self._items.append(item)
        self._news.set()

    def end(self, reason: StreamEnd) -> None:
        """End the stream, for the first reason that is given; what waits is told before."""
        self.ended = self.ended or reason
        self._news.set()

    async def take(self, seconds: float) -> Item | StreamEnd | None:
        """Return what is to be told next, or why there is an end; None if for so many seconds nothing comes."""
        while not self._items and not self.ended:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return None
        return self._items.popleft() if self._items else self.ended
