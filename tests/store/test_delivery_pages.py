"""A tenant's deliveries in pages: in one order, each once, whatever happens between two pages."""

from app.domain.delivery import DeliveryStatus
from app.resources import Resources
from app.store.delivery_pages import PLACE, DeliveryFilter, DeliveryPages
from app.store.delivery_records import QueueStore
from tests.builders import LIFE
from tests.store.making import TENANT, URL, register, subscribed
from tests.store.polling import poll
from tests.store.sending import arrive, give_up, partition_of

FAILED = DeliveryFilter(status=DeliveryStatus.FAILED)
Shown = list[tuple[str, int]]


def _pages(resources: Resources) -> DeliveryPages:
    return DeliveryPages(resources.ledger, QueueStore(resources.ledger, resources.settings.partitions))


async def _all(
    resources: Resources, only: DeliveryFilter | None = None, *, limit: int = 2, tenant_id: str = TENANT
) -> Shown:
    """Return what all pages show."""
    shown: Shown = []
    place = ""
    while True:
        page = await _pages(resources).page(tenant_id, only or DeliveryFilter(), limit=limit, place=place)
        assert len(page.items) <= limit
        shown += [(one.subscription_id, one.sequence) for one in page.items]
        place = page.following
        if not place:
            return shown
        assert PLACE.fullmatch(place)


async def _calls(resources: Resources, count: int, polled: int = 3) -> list[str]:
    """Subscribe to so many calls, of each of which so many events are known; the newest first."""
    made = [await register(resources, call_sid=f"OUT-{number}") for number in range(count)]
    for partition in {one.partition.number: one.partition for one in made}.values():
        await poll(resources, partition, LIFE[:polled])
    return sorted((one.id for one in made), key=lambda one: one[6:], reverse=True)


async def test_pages_hold_everything_once_the_newest_first(resources: Resources) -> None:
    made = await _calls(resources, 5)
    await register(resources, call_sid="OUT-0", tenant_id="ten_other")

    expected = [(one, sequence) for one in made for sequence in (3, 2, 1)]

    for limit in (1, 2, 3, 4, 200):
        assert await _all(resources, limit=limit) == expected


async def test_what_comes_meanwhile_disturbs_no_page(resources: Resources) -> None:
    made = await _calls(resources, 3)
    first = await _pages(resources).page(TENANT, DeliveryFilter(), limit=4)

    await register(resources, call_sid="OUT-later")
    for number in range(3):
        await poll(resources, resources.subscriptions.partition_of_call(f"OUT-{number}"), LIFE)
    second = await _pages(resources).page(TENANT, DeliveryFilter(), limit=2, place=first.following)
    third = await _pages(resources).page(TENANT, DeliveryFilter(), limit=100, place=second.following)

    shown = [(one.subscription_id, one.sequence) for page in (first, second, third) for one in page.items]
    assert shown[:6] == [(one, sequence) for one in made[:2] for sequence in (3, 2, 1)]
    # What was not yet come to is shown as it is by then.
    assert shown[6:] == [(made[2], sequence) for sequence in (5, 4, 3, 2, 1)]


async def test_the_filters_narrow_and_can_be_combined(resources: Resources) -> None:
    made = await _calls(resources, 4)
    by_sid = {f"OUT-{number}": (await register(resources, call_sid=f"OUT-{number}")).id for number in range(4)}
    one = by_sid["OUT-2"]
    await arrive(resources, one)

    assert await _all(resources, DeliveryFilter(subscription_id=one)) == [(one, 3), (one, 2), (one, 1)]
    assert await _all(resources, DeliveryFilter(call_sid="OUT-2"), limit=1) == [(one, 3), (one, 2), (one, 1)]
    assert await _all(resources, DeliveryFilter(status=DeliveryStatus.DELIVERED)) == [(one, 1)]
    assert await _all(resources, DeliveryFilter(one, "OUT-2", DeliveryStatus.PENDING)) == [(one, 3), (one, 2)]
    assert await _all(resources, DeliveryFilter(subscription_id=one, call_sid="OUT-1")) == []
    assert await _all(resources, DeliveryFilter(subscription_id=one), tenant_id="ten_other") == []
    assert len(await _all(resources, DeliveryFilter(status=DeliveryStatus.PENDING))) == 3 * len(made) - 1


async def test_a_rare_status_is_looked_for_within_bounds(resources: Resources) -> None:
    rare = (await subscribed(resources, polled=1)).id
    await arrive(resources, rare)
    for number in range(520):
        await register(resources, call_sid=f"OUT-{number}")
    only = DeliveryFilter(status=DeliveryStatus.DELIVERED)

    first = await _pages(resources).page(TENANT, only, limit=1)

    assert first.items == ()
    assert first.following
    second = await _pages(resources).page(TENANT, only, limit=1, place=first.following)
    assert ([one.subscription_id for one in second.items], second.following) == ([rare], "")


async def test_failed_ones_come_by_when_they_were_given_up_the_last_first(resources: Resources) -> None:
    made = await _calls(resources, 4)
    for one in (made[2], made[0], made[3], made[2]):
        await give_up(resources, one)
    for place, (one, sequence) in enumerate([(made[2], 1), (made[0], 1), (made[3], 1), (made[2], 2)]):
        await _failed_at(resources, one, sequence, 1000 + place)

    expected = [(made[2], 2), (made[3], 1), (made[0], 1), (made[2], 1)]
    for limit in (1, 2, 3, 200):
        assert await _all(resources, FAILED, limit=limit) == expected
    # Narrowed further they come as all others do.
    only = DeliveryFilter(subscription_id=made[2], status=DeliveryStatus.FAILED)
    assert await _all(resources, only) == [(made[2], 2), (made[2], 1)]
    assert await _all(resources, FAILED, tenant_id="ten_other") == []


async def test_failed_ones_of_one_moment_are_shown_each_once(resources: Resources) -> None:
    made = await _calls(resources, 6, polled=2)
    for one in made:
        await give_up(resources, one, 2)
    for one in made:
        for sequence in (1, 2):
            await _failed_at(resources, one, sequence, 1000)

    for limit in (1, 5):
        shown = await _all(resources, FAILED, limit=limit)
        assert sorted(shown) == sorted((one, sequence) for one in made for sequence in (1, 2))


async def test_a_failed_one_whose_subscription_has_expired_is_skipped(resources: Resources) -> None:
    made = await _calls(resources, 3)
    for one in made:
        await give_up(resources, one)
    await resources.ledger.redis.delete(partition_of(resources, made[1]).subscription(made[1]))

    assert {one for one, _ in await _all(resources, FAILED, limit=1)} == {made[0], made[2]}


async def test_many_failed_ones_that_have_expired_are_passed_within_bounds(resources: Resources) -> None:
    kept = (await subscribed(resources)).id
    await give_up(resources, kept)
    partition = partition_of(resources, kept)
    await _failed_at(resources, kept, 1, 1)
    ghosts = {f"{kept[:-4]}{number:04}/1": 1000 + number for number in range(700)}
    await resources.ledger.redis.zadd(partition.failed(TENANT), ghosts)

    first = await _pages(resources).page(TENANT, FAILED, limit=1)

    assert (first.items, bool(first.following)) == ((), True)
    assert await _all(resources, FAILED, limit=1) == [(kept, 1)]


async def test_a_place_of_the_other_order_is_the_end(resources: Resources) -> None:
    one = (await subscribed(resources)).id
    await give_up(resources, one, 2)
    ordinary = (await _pages(resources).page(TENANT, DeliveryFilter(), limit=1)).following
    failed = (await _pages(resources).page(TENANT, FAILED, limit=1)).following
    assert ordinary
    assert failed

    for only, place in ((FAILED, ordinary), (DeliveryFilter(), failed)):
        page = await _pages(resources).page(TENANT, only, limit=1, place=place)
        assert (page.items, page.following) == ((), "")


async def test_pages_of_one_call_with_many_subscriptions(resources: Resources) -> None:
    made = [await register(resources, url=f"{URL}/{number}") for number in range(60)]
    await poll(resources, made[0].partition, LIFE[:1])

    shown = await _all(resources, DeliveryFilter(call_sid="OUT-550e8400-e29b-41d4-a716-446655440000"), limit=7)

    assert sorted(one for one, _ in shown) == sorted(one.id for one in made)
    # Those of one millisecond have no order; those made in different ones sort by age.
    ages = [one[6:15] for one, _ in shown]
    assert ages == sorted(ages, reverse=True)


async def _failed_at(resources: Resources, subscription_id: str, sequence: int, at_ms: int) -> None:
    """Let a failed delivery have been given up at another time than now."""
    name = partition_of(resources, subscription_id).failed(TENANT)
    entry = {f"{subscription_id}/{sequence}": at_ms}
    assert await resources.ledger.redis.zadd(name, entry, xx=True, ch=True) == 1
