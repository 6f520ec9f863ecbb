"""The one reader: what it does while Redis is away, while nothing can be heard, and when it fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from app.domain.subscription import EventFilter
from app.queue import NewsFeed, NewsUnavailable
from app.resources import Resources
from app.service.live import reading_along
from app.service.live.inbox import StreamEnd, Told
from app.service.live.reading_along import ReadingAlong, TenantReader
from app.store.connection import StoreUnavailable
from app.store.journal import JournalReader, Look
from tests.builders import CALL_SID, LIFE
from tests.store.making import register
from tests.store.polling import poll

EVERYTHING = EventFilter()
PATIENCE = 10.0


class Troubled(JournalReader):
    """Fails at each look for as long as there is an error to fail with."""

    error: Exception | None = None
    looked = 0

    async def look(self) -> Look:
        self.looked += 1
        if self.error:
            raise self.error
        return await super().look()


class Deaf(NewsFeed):
    """Hears nothing."""

    async def hear(self) -> AsyncIterator[None]:
        nothing: tuple[None, ...] = ()
        for one in nothing:
            yield one
        raise NewsUnavailable("deaf")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_along, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(reading_along, "_PAUSE_SECONDS", 0.02)


@asynccontextmanager
async def _reading(resources: Resources) -> AsyncIterator[tuple[ReadingAlong, Troubled, TenantReader]]:
    journal = Troubled(resources.ledger, 4)
    reading = ReadingAlong(journal, Deaf(resources.queue))
    registration = await register(resources)
    try:
        yield reading, journal, await reading.follow_tenant(registration.subscription.tenant_id, EVERYTHING)
    finally:
        await reading.aclose()


async def _happen(resources: Resources, until: int) -> None:
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID), LIFE[:until])


async def _sequence(reader: TenantReader) -> int:
    taken = await reader.inbox.take(PATIENCE)
    assert isinstance(taken, Told)
    return taken.sequence


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 -- the reader gives no signal of a failed look
            await asyncio.sleep(0.005)


async def test_without_hearing_news_it_looks_by_itself(resources: Resources) -> None:
    async with _reading(resources) as (_, _, reader):
        await _happen(resources, 1)
        assert await _sequence(reader) == 1


async def test_while_redis_is_away_nothing_is_lost(resources: Resources) -> None:
    async with _reading(resources) as (_, journal, reader):
        journal.error = StoreUnavailable("away")
        await _happen(resources, 2)
        looked = journal.looked
        await _until(lambda: journal.looked > looked + 2)
        journal.error = None
        assert [await _sequence(reader), await _sequence(reader)] == [1, 2]


async def test_what_cannot_be_resolved_at_once_is_told_later(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _reading(resources) as (_, journal, reader):
        failures = iter([StoreUnavailable("away")] * 3)
        read = journal.events_of

        async def events_of(entries: object) -> object:
            if error := next(failures, None):
                raise error
            return await read(entries)  # type: ignore[arg-type] # whatever it was

        monkeypatch.setattr(journal, "events_of", events_of)
        await _happen(resources, 1)
        assert await _sequence(reader) == 1


async def test_a_fault_ends_all_streams_and_the_next_one_begins_anew(resources: Resources) -> None:
    async with _reading(resources) as (reading, journal, reader):
        journal.error = ValueError("a fault of ours")
        assert await reader.inbox.take(PATIENCE) is StreamEnd.READING_FAILED
        reading.leave_tenant(reader)
        journal.error = None
        again = await reading.follow_tenant(reader.tenant_id, EVERYTHING)
        await _happen(resources, 1)
        assert await _sequence(again) == 1


async def test_with_nobody_to_read_for_it_stops_and_begins_again(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_along, "_IDLE_SECONDS", 0.05)
    async with _reading(resources) as (reading, _, reader):
        reading.leave_tenant(reader)
        await _until(lambda: reading._reader is None)
        again = await reading.follow_tenant(reader.tenant_id, EVERYTHING)
        await _happen(resources, 1)
        assert await _sequence(again) == 1


async def test_at_the_end_of_the_process_streams_end_and_new_ones_at_once(resources: Resources) -> None:
    async with _reading(resources) as (reading, _, reader):
        reading.end(StreamEnd.SHUTTING_DOWN)
        assert await reader.inbox.take(0) is StreamEnd.SHUTTING_DOWN
        late = await reading.follow_tenant(reader.tenant_id, EVERYTHING)
        assert await late.inbox.take(0) is StreamEnd.SHUTTING_DOWN
