"""How a worker shares its places among destinations: one that hangs keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, Admitted, Refused
from app.domain.retry import Responded, Unreachable
from app.resources import Resources
from app.store.breakers import BreakerStore
from workers.destinations import Destinations, Target

SLOW, WELL = Target("ten_a", "https://slow.example.com:443"), Target("ten_a", "https://well.example.com:443")
ANSWER, TIMEOUT = Responded(204), Unreachable("timeout")


def make_destinations(resources: Resources, places: int = 8, each: int = 4) -> Destinations:
    breakers = BreakerStore(resources.ledger, (1800.0,), timeout_seconds=1.0)
    return Destinations(breakers, resources.ledger.clock, places=places, places_each=each)


@asynccontextmanager
async def holding(destinations: Destinations, *targets: Target) -> AsyncIterator[list[Refused | None]]:
    """Hold a place for each, or be told that there is none."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(destinations.place(target)) for target in targets]


async def must_wait(destinations: Destinations, target: Target) -> bool:
    """Whether a place has to be waited for, when everything that can happen at once has happened."""

    async def enter() -> None:
        async with destinations.place(target):
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
    async with holding(destinations, *[WELL] * 4) as places:
        assert places == [None] * 4
        assert await must_wait(destinations, WELL._replace(tenant_id="ten_b"))
        assert not await must_wait(destinations, WELL._replace(destination="https://well.example.com:8443"))


async def test_for_one_that_has_failed_nobody_waits_in_a_crowd(resources: Resources) -> None:
    """Who waits is held, and what is held is bounded: it would keep the claims of others out."""
    destinations = make_destinations(resources)
    await destinations.report(SLOW, TIMEOUT, probe=False)
    async with holding(destinations, *[SLOW] * 2) as places, holding(destinations, SLOW) as more:
        assert places == [None] * 2
        [refused] = more
        assert refused is not None
        assert 0 < refused.until - resources.ledger.clock.now() < 1


async def test_however_many_hang_the_others_have_half_of_the_places(resources: Resources) -> None:
    destinations = make_destinations(resources, places=8)
    await destinations.report(WELL, ANSWER, probe=False)
    hanging = [Target("ten_a", f"https://hangs-{number}.example.com:443") for number in range(4)]
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


async def test_one_tenants_failures_keep_no_other_tenant_away(resources: Resources) -> None:
    """Many have their endpoints on one host: who chooses one there that fails silences nobody but himself."""
    destinations = make_destinations(resources)
    other = SLOW._replace(tenant_id="ten_b")
    await destinations.report(other, ANSWER, probe=False)
    for _ in range(3 * FAILURES_TO_OPEN):
        await destinations.report(SLOW, TIMEOUT, probe=False)
    assert isinstance(await destinations.admission(SLOW), Refused)
    assert await destinations.admission(other) == Admitted()
    async with holding(destinations, other) as places:
        assert places == [None]


async def test_one_tenants_hanging_endpoint_leaves_the_others_of_its_host_half_of_the_places(
    resources: Resources,
) -> None:
    destinations = make_destinations(resources)
    other = SLOW._replace(tenant_id="ten_b")
    await destinations.report(other, ANSWER, probe=False)
    async with holding(destinations, *[SLOW] * 2):
        assert await must_wait(destinations, SLOW)
        assert not await must_wait(destinations, other)
