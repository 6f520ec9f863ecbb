"""The destinations in trouble, listed from what the breakers have written down."""

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, BreakerState, breaker_name
from app.resources import Resources
from app.store import keys
from app.store.breakers import BreakerStore, digest_of
from app.store.troubled import TroubledDestination, TroubledStore
from tests.store.making import TENANT

OTHER_TENANT = "ten_1m842cp907q3yc2f95cr"
LONG = 50.0


def host(number: int) -> str:
    return f"https://crm-{number:02d}.example.com:443"


@pytest.fixture
def store(resources: Resources) -> TroubledStore:
    return TroubledStore(resources.ledger)


async def fail(
    resources: Resources,
    destination: str,
    *,
    tenant_id: str = TENANT,
    times: int = 1,
    error: str = "timeout",
) -> None:
    breakers = BreakerStore(resources.ledger, (LONG,), timeout_seconds=15.0)
    for _ in range(times):
        await breakers.failed(breaker_name(tenant_id, destination), error, probe=False)


async def set_failed(resources: Resources, scores: dict[str, int]) -> None:
    """Let destinations of the tenant have failed last at these times in ms."""
    entries = {digest_of(breaker_name(TENANT, one)): score for one, score in scores.items()}
    for name in (keys.TROUBLED, keys.troubled_of(TENANT)):
        await resources.ledger.redis.zadd(name, entries)


async def walk(store: TroubledStore, limit: int, tenant_id: str = "") -> list[list[str]]:
    """Return the destinations of every page."""
    pages, place = [], ""
    while True:
        page = await store.page(limit=limit, place=place, tenant_id=tenant_id)
        pages.append([one.destination for one in page.items])
        if not (place := page.following):
            return pages


async def one_of(store: TroubledStore) -> TroubledDestination:
    [found] = (await store.page(limit=10, tenant_id=TENANT)).items
    return found


async def test_there_are_none_while_all_is_well(store: TroubledStore) -> None:
    assert await walk(store, 10) == [[]]
    assert await walk(store, 10, TENANT) == [[]]


async def test_one_that_fails_tells_since_when_how_often_and_why(resources: Resources, store: TroubledStore) -> None:
    await fail(resources, host(1))
    first = await one_of(store)
    await fail(resources, host(1), error="503")

    found = await one_of(store)

    assert found == TroubledDestination(TENANT, host(1), BreakerState.FAILING, 2, first.failing_since, "503", None)
    assert abs(found.failing_since - resources.ledger.clock.now()) < 60


async def test_one_that_is_open_tells_until_when(resources: Resources, store: TroubledStore) -> None:
    await fail(resources, host(1), times=FAILURES_TO_OPEN)

    found = await one_of(store)

    assert (found.state, found.failures) == (BreakerState.OPEN, FAILURES_TO_OPEN)
    assert found.open_until is not None
    assert found.open_until - found.failing_since == pytest.approx(LONG, abs=10.0)


async def test_one_whose_wait_is_over_is_probed(resources: Resources, store: TroubledStore) -> None:
    await fail(resources, host(1), times=FAILURES_TO_OPEN)
    await resources.breakers.hasten(breaker_name(TENANT, host(1)))
    before = await one_of(store)
    await resources.breakers.admit(breaker_name(TENANT, host(1)))

    for found in (before, await one_of(store)):
        assert (found.state, found.open_until) == (BreakerState.PROBING, None)


async def test_one_that_answers_is_well(resources: Resources, store: TroubledStore) -> None:
    await fail(resources, host(1), times=FAILURES_TO_OPEN)
    await resources.breakers.succeeded(breaker_name(TENANT, host(1)))

    assert await walk(store, 10) == [[]]
    assert await walk(store, 10, TENANT) == [[]]
    assert not await resources.ledger.redis.exists(keys.troubled_of(TENANT))


async def test_each_tenant_has_its_own(resources: Resources, store: TroubledStore) -> None:
    await fail(resources, host(1))
    await fail(resources, host(1), tenant_id=OTHER_TENANT, times=2)
    await fail(resources, host(2), tenant_id=OTHER_TENANT)

    own = await store.page(limit=10, tenant_id=TENANT)
    all_of_them = await store.page(limit=10)

    assert [(one.tenant_id, one.destination, one.failures) for one in own.items] == [(TENANT, host(1), 1)]
    assert {(one.tenant_id, one.destination, one.failures) for one in all_of_them.items} == {
        (TENANT, host(1), 1),
        (OTHER_TENANT, host(1), 2),
        (OTHER_TENANT, host(2), 1),
    }


@pytest.mark.parametrize("tenant_id", ["", TENANT])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_pages_hold_each_once_those_that_failed_last_first(
    resources: Resources, store: TroubledStore, tenant_id: str, limit: int
) -> None:
    """Also where several failed in the same millisecond."""
    times = dict(zip(map(host, range(6)), (1000, 3000, 2000, 2000, 2000, 4000), strict=True))
    for one in times:
        await fail(resources, one)
    now_ms = round(resources.ledger.clock.now() * 1000)
    await set_failed(resources, {one: now_ms + time for one, time in times.items()})

    pages = await walk(store, limit, tenant_id)

    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == -(-6 // limit)
    found = [one for page in pages for one in page]
    assert [times[one] for one in found] == [4000, 3000, 2000, 2000, 2000, 1000]
    assert len(set(found)) == 6


async def test_records_that_were_forgotten_are_passed_over(resources: Resources, store: TroubledStore) -> None:
    for number in range(5):
        await fail(resources, host(number))
    gone = [keys.breaker(digest_of(breaker_name(TENANT, host(number)))) for number in (1, 4)]
    for name in gone:
        await resources.ledger.redis.delete(name)

    assert {one for page in await walk(store, 2, TENANT) for one in page} == {host(0), host(2), host(3)}


async def test_a_page_looks_at_so_many_and_no_more(resources: Resources, store: TroubledStore) -> None:
    """It comes out empty, and the next one goes on where it ended."""
    await fail(resources, host(1))
    later_ms = round(resources.ledger.clock.now() * 1000) + 5000
    await resources.ledger.redis.zadd(
        keys.TROUBLED, {f"{number:020x}": later_ms + number // 3 for number in range(5000)}
    )

    assert await walk(store, 2) == [[], [host(1)]]


async def test_what_is_listed_of_a_tenant_is_forgotten_in_a_day(resources: Resources) -> None:
    await fail(resources, host(1))
    await set_failed(resources, {host(2): 1000})
    await fail(resources, host(3), times=FAILURES_TO_OPEN)

    name = keys.troubled_of(TENANT)
    assert await resources.ledger.redis.zcard(name) == 2
    assert 86_000_000 < await resources.ledger.redis.pttl(name) <= 86_400_000
