"""A tenant's calls, found by walking its subscriptions."""

from app.domain import ids
from app.resources import Resources
from app.store.call_pages import CallFilter, CallPages
from app.store.keys import all_partitions
from tests.peers import eventually
from tests.store.making import TENANT, register
from tests.store.polling import poll

STRANGER = "ten_1m842cp907q3yc2f9999"


async def _later(resources: Resources) -> None:
    """Wait for the next millisecond: ids of one millisecond sort by chance."""
    now = int(resources.ledger.clock.now() * 1000)

    async def passed() -> bool:
        return int(resources.ledger.clock.now() * 1000) > now

    await eventually(passed, "the next millisecond")


def _pages(resources: Resources) -> CallPages:
    return CallPages(resources.ledger, resources.watches, resources.settings.partitions)


async def _listed(resources: Resources, limit: int) -> list[str]:
    """Return the SIDs of all pages."""
    sids: list[str] = []
    before = ""
    while True:
        page = await _pages(resources).page(TENANT, CallFilter(), limit=limit, before=before)
        sids += [call.watch.key.call_sid for call in page.items]
        if not page.following:
            return sids
        before = page.following


async def _finished(resources: Resources, after: str = "") -> list[tuple[str, str]]:
    """Return SIDs and what to go on after."""
    walk = _pages(resources).finished(TENANT, since=0.0, after=after)
    return [(one.call.watch.key.call_sid, one.subscription_id) async for some in walk for one in some]


async def test_a_crowd_of_subscriptions_is_one_call(resources: Resources) -> None:
    await register(resources, call_sid="OUT-before")
    await _later(resources)
    for number in range(230):
        await register(resources, call_sid="OUT-crowd", url=f"https://crm.example.com/{number}")
    await _later(resources)
    await register(resources, call_sid="OUT-after")

    for limit in (1, 2, 3, 200):
        assert await _listed(resources, limit) == ["OUT-after", "OUT-crowd", "OUT-before"]


async def test_when_the_oldest_subscription_expires_the_next_stands_for_the_call(resources: Resources) -> None:
    first = await register(resources, call_sid="OUT-1", url="https://crm.example.com/1")
    await _later(resources)
    await register(resources, call_sid="OUT-2")
    await _later(resources)
    await register(resources, call_sid="OUT-1", url="https://crm.example.com/2")
    assert await _listed(resources, 10) == ["OUT-2", "OUT-1"]

    await resources.ledger.redis.delete(first.partition.subscription(first.id))

    assert await _listed(resources, 10) == ["OUT-1", "OUT-2"]


async def test_each_finished_call_comes_once_whoever_else_follows_it(resources: Resources) -> None:
    sids = [f"OUT-{number}" for number in range(60)]
    for sid in sids:
        await register(resources, call_sid=sid, tenant_id=STRANGER)
        await register(resources, call_sid=sid)
        await register(resources, call_sid=sid, url="https://crm.example.com/other")
    for partition in all_partitions(resources.settings.partitions):
        await poll(resources, partition)
    await register(resources, call_sid="OUT-under-way")

    found = await _finished(resources)

    assert sorted(sid for sid, _ in found) == sorted(sids)
    partitions = [ids.partition_of(one) or 0 for _, one in found]
    assert partitions == sorted(partitions)
    assert len(set(partitions)) > 1
    for place in (0, 20, 58, 59):
        assert await _finished(resources, after=found[place][1]) == found[place + 1 :]
