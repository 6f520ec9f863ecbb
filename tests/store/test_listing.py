"""A tenant's subscriptions over all partitions."""

from app.domain.subscription import SubscriptionStatus
from app.resources import Resources
from tests.store.making import TENANT, URL, read, register


async def test_a_rare_status_is_looked_for_within_bounds(resources: Resources) -> None:
    rare = await register(resources, call_sid="OUT-rare")
    await resources.subscriptions.end(await read(resources, rare.id), SubscriptionStatus.CANCELLED)
    for number in range(2100):
        await register(resources, call_sid=f"OUT-{number % 40}", url=f"{URL}/{number}")

    first = await resources.subscriptions.page(TENANT, limit=1, status=SubscriptionStatus.CANCELLED)

    assert first.items == ()
    assert first.following
    found = await resources.subscriptions.page(
        TENANT, limit=1, before=first.following, status=SubscriptionStatus.CANCELLED
    )
    assert ([one.id for one in found.items], found.following) == ([rare.id], "")


async def test_an_expired_subscription_leaves_no_hole_and_ends_no_list(resources: Resources) -> None:
    made = [(await register(resources, call_sid=f"OUT-{number}")).id for number in range(6)]
    for one in made[2:5]:
        partition = resources.subscriptions.partition_of(one)
        assert partition is not None
        await resources.ledger.redis.delete(partition.subscription(one))

    shown, before = [], ""
    while True:
        page = await resources.subscriptions.page(TENANT, limit=1, before=before)
        shown += [one.id for one in page.items]
        before = page.following
        if not before:
            break

    assert sorted(shown) == sorted([made[0], made[1], made[5]])


async def test_the_watches_of_a_call_are_the_one_asked_for_last_first(resources: Resources) -> None:
    await register(resources, connector_id="first")
    await register(resources, connector_id="second")
    await register(resources, connector_id="first", url=f"{URL}/again")
    sid = (await register(resources, connector_id="third", tenant_id="ten_other")).id

    watches = await resources.subscriptions.watches_of_call(TENANT, (await read(resources, sid)).call.call_sid)

    keys = []
    for watch_id in watches:
        kept = await resources.watches.read(
            resources.subscriptions.partition_of_call((await read(resources, sid)).call.call_sid), watch_id
        )
        assert kept is not None
        keys.append(kept.watch.key.connector_id)
    assert keys == ["first", "second"]


async def test_an_id_that_leads_nowhere_is_nothing(resources: Resources) -> None:
    for unknown in ("sub_001m842cp95qqrkphhnzx3", "sub_zz1m842cp95qqrkphhnzx3", "sub_", "", "\x00", "sub_ü"):
        assert await resources.subscriptions.get(unknown) is None
