"""Streams: a call's events, or those of all of a tenant's calls, as they are recorded."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.subscription import EventFilter
from app.service.calls import CallService, WantedCall
from app.service.live.admission import Admission
from app.service.live.inbox import Gap, Inbox, Item, StreamEnd, Told
from app.service.live.reading_along import ReadingAlong
from app.store.api_keys import ApiKeyStore, KeyName
from app.store.connection import StoreUnavailable
from app.store.watches import CallPlace
from app.telemetry import metrics

if TYPE_CHECKING:
    from app.domain.event import Event
    from app.service.live.window import Remembered

# Proxies take a connection for dead after 30 to 60 seconds of silence.
QUIET_SECONDS = 15.0
# How long a key that was revoked may still read.
_KEY_CHECK_SECONDS = 15.0
_EVENTS_AT_ONCE = 200
_ENTRIES_AT_ONCE = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose stream it is, by which key, and what of the events is wanted."""

    key: KeyName
    wanted: EventFilter


class Stream(ABC):
    """An open stream: `parts` is read once, and `aclose` follows whatever happens."""

    def __init__(self, inbox: Inbox, reader: Reader, leave: Callable[["Stream"], None]) -> None:
        self.inbox = inbox
        self.reader = reader
        self._leave = leave

    async def parts(self, quiet_seconds: float = QUIET_SECONDS) -> AsyncGenerator[Item | StreamEnd | None]:
        """Yield what is to be told, None where nothing was for so many seconds, and in the end why it ends."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        try:
            async for item in self._before():
                yield item
                told_at = loop.time()
            while not (ended := self._over()):
                taken = await self.inbox.take(max(0.0, told_at + quiet_seconds - loop.time()))
                if isinstance(taken, StreamEnd):
                    yield taken
                    return
                if taken is None:
                    yield None
                    told_at = loop.time()
                    continue
                async for item in self._sorted_out(taken):
                    yield item
                    told_at = loop.time()
            yield ended
        except StoreUnavailable as error:
            log.warning("a stream ends, its call cannot be read", extra={"reason": str(error)})
            yield StreamEnd.STORE_UNAVAILABLE

    def close(self) -> None:
        """Forget it: nobody reads it any more."""
        self._leave(self)

    @abstractmethod
    def _before(self) -> AsyncIterator[Item]:
        """Yield what comes before the first thing in the inbox."""

    @abstractmethod
    def _sorted_out(self, taken: Item) -> AsyncIterator[Item]:
        """Yield what is told of something out of the inbox."""

    def _over(self) -> StreamEnd | None:
        """Return why nothing more can come, if it is so."""
        return None


class CallStream(Stream):
    """A call's events, each once and in order, whatever the journal tells of them: the call itself is what counts."""

    def __init__(
        self, inbox: Inbox, reader: Reader, leave: Callable[[Stream], None], calls: CallService, place: CallPlace
    ) -> None:
        super().__init__(inbox, reader, leave)
        self._calls = calls
        self.place = place
        self._begun: list[Told] = []
        self._told = 0
        self._final: Event | None = None

    async def begin(self, last_event_id: str) -> bool:
        """Read what there is behind an event, all of it if that is none of the call's; False if there is nothing more.

        Raises `StoreUnavailable` and `NoSuch`.
        """
        events = await self._read()
        seen = next((one.sequence for one in events if one.event_id == last_event_id), 0)
        self._begun = [one for one in events if one.sequence > seen and self.reader.wanted.wants(one.event.type)]
        return not (seen and self._final and not self._begun)

    async def _before(self) -> AsyncIterator[Item]:
        for one in self._begun:
            yield one
        self._begun = []

    async def _sorted_out(self, taken: Item) -> AsyncIterator[Item]:
        if isinstance(taken, Told) and taken.sequence <= self._told:
            return
        if isinstance(taken, Told) and taken.sequence == self._told + 1:
            self._told, self._final = taken.sequence, taken.event if taken.event.final else None
            found: Sequence[Told] = [taken]
        else:
            found = await self._read()
        for one in found:
            if self.reader.wanted.wants(one.event.type):
                yield one

    def _over(self) -> StreamEnd | None:
        return StreamEnd.CALL_ENDED if self._final else None

    async def _read(self) -> list[Told]:
        """Return all events of the call that were not told yet."""
        found: list[Told] = []
        more = True
        while more:
            page = await self._calls.events_at(self.place, behind=self._told, limit=_EVENTS_AT_ONCE)
            for sequence, event in enumerate(page.events, page.first):
                found.append(Told.of(page.call, sequence, event))
                self._told, self._final = sequence, event if event.final else None
            more = page.more
        return found


class TenantStream(Stream):
    """The events of all calls that a tenant is subscribed to."""

    def __init__(self, inbox: Inbox, reader: Reader, leave: Callable[[Stream], None], reading: ReadingAlong) -> None:
        super().__init__(inbox, reader, leave)
        self._reading = reading
        self._behind: list[Remembered] = []
        self._skipped = 0
        self._gap: Gap | None = None

    async def begin(self, last_event_id: str) -> None:
        """Find where to go on; raises `StoreUnavailable`."""
        if not last_event_id:
            return
        place = self._reading.window.place_of(last_event_id)
        if place is None:
            self._gap = Gap.UNKNOWN_EVENT_ID
            return
        # At once, before anything is waited for: what comes from here on is in the inbox.
        behind, complete = self._reading.window.behind(place)
        await self._reading.resolve([place.remembered], with_tenants=True)
        if self.reader.key.tenant_id not in (place.remembered.tenants or ()):
            self._gap = Gap.UNKNOWN_EVENT_ID
            return
        self._behind, self._skipped = behind, place.events
        self._gap = None if complete else Gap.JOURNAL_TOO_SHORT

    async def _before(self) -> AsyncIterator[Item]:
        if self._gap:
            yield self._gap
        for at in range(0, len(self._behind), _ENTRIES_AT_ONCE):
            some = self._behind[at : at + _ENTRIES_AT_ONCE]
            await self._reading.resolve(some, with_tenants=True)
            for one in some:
                if self.reader.key.tenant_id in (one.tenants or ()):
                    for told in (one.told or ())[self._skipped :]:
                        if self.reader.wanted.wants(told.event.type):
                            yield told
                # Only of the first entry some were told before.
                self._skipped = 0
        self._behind = []

    async def _sorted_out(self, taken: Item) -> AsyncIterator[Item]:
        yield taken


class StreamService:
    """Opens streams, and ends them when their reader may not read any more."""

    def __init__(self, calls: CallService, api_keys: ApiKeyStore, reading: ReadingAlong, most: int) -> None:
        self._calls = calls
        self._api_keys = api_keys
        self._reading = reading
        self._admission = Admission(most)
        self._open: set[Stream] = set()

    async def of_call(self, reader: Reader, wanted: WantedCall, last_event_id: str) -> CallStream | None:
        """Open a call's stream, or return None where the call has ended and nothing is left to tell.

        Raises `NoSuch`, `StoreUnavailable` and `TooManyRequests`.
        """
        async with self._admitted(reader):
            tenant_id = reader.key.tenant_id
            place = await self._calls.place_of(tenant_id, wanted)
            inbox = await self._reading.follow_call(place.partition, place.watch_id)

            def leave(stream: Stream) -> None:
                self._reading.leave_call(place.partition, place.watch_id, inbox)
                self._left(stream)

            stream = CallStream(inbox, reader, leave, self._calls, place)
            try:
                more = await stream.begin(last_event_id)
            except BaseException:
                self._reading.leave_call(place.partition, place.watch_id, inbox)
                raise
            self._open.add(stream)
        if more:
            return stream
        stream.close()
        return None

    async def of_tenant(self, reader: Reader, last_event_id: str) -> TenantStream:
        """Open the stream of a tenant's calls; raises `StoreUnavailable` and `TooManyRequests`."""
        async with self._admitted(reader):
            follower = await self._reading.follow_tenant(reader.key.tenant_id, reader.wanted)

            def leave(stream: Stream) -> None:
                self._reading.leave_tenant(follower)
                self._left(stream)

            stream = TenantStream(follower.inbox, reader, leave, self._reading)
            try:
                await stream.begin(last_event_id)
            except BaseException:
                self._reading.leave_tenant(follower)
                raise
            self._open.add(stream)
        return stream

    def end(self) -> None:
        """End all streams: the process is about to."""
        self._reading.end(StreamEnd.SHUTTING_DOWN)

    async def check_keys(self, seconds: float = _KEY_CHECK_SECONDS) -> None:
        """End the streams whose key was revoked, or whose tenant was deleted, again and again."""
        while True:
            await asyncio.sleep(seconds)
            # Whoever works with this Redis says so in the log.
            with suppress(StoreUnavailable):
                await self.check_keys_once()

    async def check_keys_once(self) -> None:
        """Look once; raises `StoreUnavailable`."""
        gone = await self._api_keys.gone({stream.reader.key for stream in self._open})
        for stream in self._open:
            if stream.reader.key in gone:
                stream.inbox.end(StreamEnd.KEY_REVOKED)

    @asynccontextmanager
    async def _admitted(self, reader: Reader) -> AsyncIterator[None]:
        self._admission.enter(reader.key.tenant_id)
        try:
            yield
        except BaseException:
            self._admission.leave(reader.key.tenant_id)
            raise

    def _left(self, stream: Stream) -> None:
        if stream in self._open:
            self._open.discard(stream)
            self._admission.leave(stream.reader.key.tenant_id)
            if stream.inbox.ended not in (None, StreamEnd.READER_GONE):
                metrics.STREAMS_CUT.labels(stream.inbox.ended.value).inc()
