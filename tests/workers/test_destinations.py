"""How a worker shares its places among destinations: one that hangs keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, Admitted, Refused
from app.domain.retry import Responded, Unreachable
from app.resources import Resources
from app.store.breakers import BreakerStore
from workers.destinations import Destinations

SLOW, WELL = "https://slow.example.com/hooks", "https://well.example.com/hooks"
ANSWER, TIMEOUT = Responded(204), Unreachable("timeout")


def make_destinations(resources: Resources, places: int = 8, each: int = 3) -> Destinations:
    breakers = BreakerStore(resources.ledger, (1800.0,), timeout_seconds=1.0)
    return Destinations(breakers, resources.ledger.clock, places=places, places_each=each)


@asynccontextmanager
async def holding(destinations: Destinations, *urls: str) -> AsyncIterator[list[Refused | None]]:
    """Hold a place for each URL, or be told that there is none."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(destinations.place(url)) for url in urls]


async def must_wait(destinations: Destinations, url: str) -> bool:
    """Whether a place at a URL has to be waited for, when everything that can happen at once has happened."""

    async def enter() -> None:
        async with destinations.place(url):
            pass

    task = asyncio.create_task(enter())
    for _ in range(20):
        await asyncio.sleep(0)
    waits = not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return waits


async def test_a_destination_has_so_many_places_and_no_more(resources: Resources) -> None:
    destinations = make_destinations(resources)
    await destinations.report(WELL, ANSWER, probe=False)
    async with holding(destinations, *[WELL] * 3) as places:
        assert places == [None] * 3
        assert await must_wait(destinations, f"{WELL}/of/another/tenant")
        assert not await must_wait(destinations, "https://well.example.com:8443/hooks")


async def test_for_one_that_has_failed_nobody_waits_in_a_crowd(resources: Resources) -> None:
    """Who waits is held, and what is held is bounded: it would keep the claims of others out."""
    destinations = make_destinations(resources)
    await destinations.report(SLOW, TIMEOUT, probe=False)
    async with holding(destinations, *[SLOW] * 4) as places:
        assert places[:3] == [None] * 3
        refused = places[3]
        assert refused is not None
        assert 0 < refused.until - resources.ledger.clock.now() < 1


async def test_however_many_hang_the_others_have_half_of_the_places(resources: Resources) -> None:
    destinations = make_destinations(resources, places=8)
    await destinations.report(WELL, ANSWER, probe=False)
    hanging = [f"https://hangs-{number}.example.com/" for number in range(4)]
    async with holding(destinations, *hanging) as places:
        assert places == [None] * 4
        assert await must_wait(destinations, SLOW)
        assert not await must_wait(destinations, WELL)


async def test_who_fails_goes_back_to_the_doubtful(resources: Resources) -> None:
    destinations = make_destinations(resources, places=2)
    await destinations.report(WELL, ANSWER, probe=False)
    async with holding(destinations, SLOW):
        assert not await must_wait(destinations, WELL)
        await destinations.report(WELL, TIMEOUT, probe=False)
        assert await must_wait(destinations, WELL)


async def test_one_failure_after_the_other_ends_the_attempts(resources: Resources) -> None:
    destinations = make_destinations(resources)
    for _ in range(FAILURES_TO_OPEN):
        assert await destinations.admission(SLOW) == Admitted()
        await destinations.report(SLOW, TIMEOUT, probe=False)
    assert isinstance(await destinations.admission(SLOW), Refused)
    assert await destinations.admission(WELL) == Admitted()


async def test_what_is_refused_is_refused_a_place_too_and_spread_out(resources: Resources) -> None:
    destinations = make_destinations(resources)
    for _ in range(FAILURES_TO_OPEN):
        await destinations.report(SLOW, TIMEOUT, probe=False)
    refused = await destinations.admission(SLOW)
    assert isinstance(refused, Refused)

    async with holding(destinations, SLOW) as places:
        assert places == [refused]
    back = [destinations.spread(SLOW, refused) for _ in range(1000)]
    assert back[0] == refused.until
    assert back == sorted(back)
    assert back[-1] - back[0] == pytest.approx(2, abs=0.1)


async def test_an_answer_that_is_no_success_shows_that_the_destination_is_up(resources: Resources) -> None:
    destinations = make_destinations(resources)
    for _ in range(3 * FAILURES_TO_OPEN):
        await destinations.report(SLOW, Responded(404), probe=False)
    assert await destinations.admission(SLOW) == Admitted()


async def test_a_destination_that_answers_again_is_admitted_everywhere(resources: Resources) -> None:
    mine, other = make_destinations(resources), make_destinations(resources)
    for _ in range(FAILURES_TO_OPEN):
        await mine.report(SLOW, TIMEOUT, probe=False)
    assert isinstance(await mine.admission(SLOW), Refused)

    await mine.report(SLOW, ANSWER, probe=True)

    assert await mine.admission(SLOW) == Admitted()
    assert await other.admission(SLOW) == Admitted()


async def test_who_leaves_makes_room(resources: Resources) -> None:
    destinations = make_destinations(resources, each=1)
    for _ in range(3):
        async with holding(destinations, SLOW) as places:
            assert places == [None]
