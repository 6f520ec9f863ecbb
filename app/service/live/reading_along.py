"""Reading the journals along, once for all streams of a process, for as long as there are any."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.domain.subscription import EventFilter
from app.queue import NewsFeed, NewsUnavailable
from app.service.live.inbox import Gap, Inbox, Item, StreamEnd, Told
from app.service.live.window import Remembered, Window
from app.store.connection import StoreUnavailable
from app.store.journal import JournalReader
from app.store.keys import Partition

# Without news it looks so often: what a lost ring costs.
_TICK_SECONDS = 1.0
# Between two looks, however much news there is; a millisecond has to pass until what is written in it is told.
_BREATH_SECONDS = 0.01
_HELD_BACK_SECONDS = 0.002
_PAUSE_SECONDS = 1.0
# A reader with nobody to read for goes on for so long: streams come back within seconds.
_IDLE_SECONDS = 60.0
# So many streams are told before others have their turn.
_TOLD_PER_TURN = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TenantReader:
    """Who follows all calls of a tenant, as far as its filter wants them."""

    inbox: Inbox
    tenant_id: str
    wanted: EventFilter


class ReadingAlong:
    """Hands what is new in the journals to the inboxes of those who follow a call or a tenant."""

    def __init__(self, journal: JournalReader, feed: NewsFeed) -> None:
        self._journal = journal
        self._feed = feed
        self._of_calls: dict[tuple[int, str], set[Inbox]] = {}
        self._of_tenants: dict[str, set[TenantReader]] = {}
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._window = Window(())
        self._reader: asyncio.Task[None] | None = None
        self._ended: StreamEnd | None = None

    @property
    def window(self) -> Window:
        return self._window

    async def follow_call(self, partition: Partition, watch_id: str) -> Inbox:
        """Return an inbox that a call's events come into from this moment on; raises `StoreUnavailable`."""
        inbox = await self._inbox()
        self._of_calls.setdefault((partition.number, watch_id), set()).add(inbox)
        return inbox

    async def follow_tenant(self, tenant_id: str, wanted: EventFilter) -> TenantReader:
        """Do the same for all calls that a tenant is subscribed to."""
        reader = TenantReader(await self._inbox(), tenant_id, wanted)
        self._of_tenants.setdefault(tenant_id, set()).add(reader)
        return reader

    def leave_call(self, partition: Partition, watch_id: str, inbox: Inbox) -> None:
        followers = self._of_calls.get((partition.number, watch_id), set())
        followers.discard(inbox)
        if not followers:
            self._of_calls.pop((partition.number, watch_id), None)

    def leave_tenant(self, reader: TenantReader) -> None:
        followers = self._of_tenants.get(reader.tenant_id, set())
        followers.discard(reader)
        if not followers:
            self._of_tenants.pop(reader.tenant_id, None)

    def end(self, reason: StreamEnd) -> None:
        """End all streams, and each that is begun from now on at once."""
        self._ended = self._ended or reason
        self._end_all(self._ended)

    async def aclose(self) -> None:
        self.end(StreamEnd.SHUTTING_DOWN)
        if self._reader:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def resolve(self, some: Sequence[Remembered], *, with_tenants: bool) -> None:
        """Read what entries lead to, where nobody has asked for it yet; raises `StoreUnavailable`."""
        if untold := [one for one in some if one.told is None]:
            found = await self._journal.events_of([one.entry for one in untold])
            for one, recorded in zip(untold, found, strict=True):
                events = recorded.events if recorded else ()
                one.told = tuple(
                    Told.of(recorded.call, sequence, event)
                    for sequence, event in enumerate(events, one.entry.first)
                    if recorded
                )
        if with_tenants and (unknown := [one for one in some if one.tenants is None]):
            for one, tenants in zip(
                unknown, await self._journal.tenants_of([one.entry for one in unknown]), strict=True
            ):
                one.tenants = tenants

    async def _inbox(self) -> Inbox:
        async with self._turn:
            if self._reader is None and self._ended is None:
                self._window = Window(*await self._journal.begin())
                self._reader = asyncio.create_task(self._read_along())
        inbox = Inbox()
        if self._ended:
            inbox.end(self._ended)
        return inbox

    async def _read_along(self) -> None:
        """Read until nobody has followed anything for a while. What fails here ends all streams, and says so."""
        hearing = asyncio.create_task(self._hear())
        try:
            await self._read_while_followed()
        except Exception:
            log.exception("streams end, the next one begins to read anew")
            self._end_all(StreamEnd.READING_FAILED)
        finally:
            self._reader = None
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing

    async def _read_while_followed(self) -> None:
        loop = asyncio.get_running_loop()
        followed_at, more, failing = loop.time(), False, False
        while loop.time() - followed_at < _IDLE_SECONDS:
            if self._of_calls or self._of_tenants:
                followed_at = loop.time()
            await self._wait(more=more)
            try:
                more = await self._tell_news()
                failing = False
            except StoreUnavailable as error:
                if not failing:
                    log.warning("streams wait, the journals cannot be read", extra={"reason": str(error)})
                failing = True
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _wait(self, *, more: bool) -> None:
        if more:
            await asyncio.sleep(_HELD_BACK_SECONDS)
            return
        await asyncio.sleep(_BREATH_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_SECONDS):
                await self._news.wait()

    async def _tell_news(self) -> bool:
        """Look once, and tell what is new; returns whether there will be more at once."""
        self._news.clear()
        look = await self._journal.look()
        if look.missed:
            self._window.broken()
            for inbox in self._inboxes():
                inbox.put(Gap.JOURNAL_TOO_SHORT)
        fresh = [Remembered(entry) for entry in look.entries if not self._window.knows(entry)]
        # All in one go; what comes to nothing here is asked for again.
        with suppress(StoreUnavailable):
            await self.resolve(
                [one for one in fresh if self._of_tenants or self._followers(one)], with_tenants=bool(self._of_tenants)
            )
        for one in fresh:
            await self._tell(one)
        return look.more

    async def _tell(self, one: Remembered) -> None:
        """Hand an entry to all who follow it at the moment when it is remembered; who comes later finds it there."""
        while not self._is_resolved(one):
            try:
                await self.resolve([one], with_tenants=bool(self._of_tenants))
            except StoreUnavailable:
                # Handed out already: nobody would be handed it again.
                await asyncio.sleep(_PAUSE_SECONDS)
        self._window.add(one)
        for place, (inbox, items) in enumerate(self._addressed(one), 1):
            for item in items:
                inbox.put(item)
            if place % _TOLD_PER_TURN == 0:
                await asyncio.sleep(0)

    def _is_resolved(self, one: Remembered) -> bool:
        if self._of_tenants and one.tenants is None:
            return False
        return one.told is not None or not (self._of_tenants or self._followers(one))

    def _addressed(self, one: Remembered) -> list[tuple[Inbox, tuple[Item, ...]]]:
        """Return to whom an entry is to be told, and what of it."""
        told: tuple[Item, ...] = one.told or (Gap.UNREADABLE,)
        addressed = [(inbox, told) for inbox in self._followers(one)]
        for tenant_id in one.tenants or ():
            for reader in self._of_tenants.get(tenant_id, ()):
                wanted = tuple(item for item in told if isinstance(item, Gap) or reader.wanted.wants(item.event.type))
                addressed.append((reader.inbox, wanted))
        return addressed

    def _followers(self, one: Remembered) -> set[Inbox]:
        return self._of_calls.get((one.entry.order.partition, one.entry.place.watch_id), set())

    def _inboxes(self) -> list[Inbox]:
        of_tenants = [reader.inbox for readers in self._of_tenants.values() for reader in readers]
        return [inbox for inboxes in self._of_calls.values() for inbox in inboxes] + of_tenants

    def _end_all(self, reason: StreamEnd) -> None:
        for inbox in self._inboxes():
            inbox.end(reason)

    async def _hear(self) -> None:
        """Note whenever there is news; while nothing can be heard, ticks do."""
        said = False
        while True:
            try:
                async for _ in self._feed.hear():
                    said = False
                    self._news.set()
            except NewsUnavailable as error:
                if not said:
                    log.warning("news are not heard, streams look by themselves", extra={"reason": str(error)})
                said = True
            except Exception:
                log.exception("news are not heard, streams look by themselves")
            await asyncio.sleep(_PAUSE_SECONDS)
