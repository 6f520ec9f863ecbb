"""A Redis at its limit (`noeviction`): what would begin something is refused, what was begun is recorded, and whole.

In Redis a script is refused at its first write that may take memory, and no later one: whose first write takes none
is carried out to its end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.domain.breaker import FAILURES_TO_OPEN
from app.domain.idempotency import Answer
from app.domain.subscription import SubscriptionStatus, event_filter
from app.domain.upstream_budget import CredentialSet, Urgency, Wish
from app.resources import Resources, open_resources
from app.service.registrations import WantedSubscription
from app.store import keys
from app.store.connection import PartlyWritten, StoreTakesNoWrites, WrongPartitions
from app.store.deliveries import ClaimedOutbox
from app.store.once import Reserved
from app.store.redelivery import RedeliveryStore, Replay, Retry
from app.store.registrations import Registration
from app.store.subscriptions import NewSubscription, SubscriptionChange
from app.store.tenants import NewTenant, TenantChange
from app.store.upstream_budgets import UpstreamBudgets
from app.store.watches import ClaimedPoll, PutOff, Recorded
from tests.builders import ACCOUNT, CONNECTOR, LIFE, PROJECT, make_key
from tests.conftest import MakeSettings
from tests.store.keys import everything, restore
from tests.store.making import (
    TENANT,
    URL,
    claim,
    claim_one,
    delivered,
    given_up,
    passed,
    put_off,
    read,
    register,
    settle,
)
from tests.store.polling import EVERYTHING, answered, claim_polls, poll, step_after
from tests.store.sending import give_up

DOWN = "https://down.example.com:443"
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Scene:
    """A tenant with two calls: one that has been polled, with two deliveries failed; one that is claimed for a poll.

    The first one's next delivery is claimed too, an idempotency key is reserved, and a destination is down.
    """

    resources: Resources
    new: NewTenant
    one: Registration
    head: ClaimedOutbox
    polled: ClaimedPoll
    reserved: Reserved

    @property
    def redelivery(self) -> RedeliveryStore:
        return RedeliveryStore(self.resources.ledger)

    @property
    def budgets(self) -> UpstreamBudgets:
        return UpstreamBudgets(self.resources.ledger, 10)


Operation = Callable[[Scene], Awaitable[Any]]


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("full"), appendfsync="no") as server:
        yield server


@pytest.fixture
async def scene(make_settings: MakeSettings, own_redis: EmbeddedRedis) -> AsyncIterator[Scene]:
    async with open_resources(make_settings(redis_url=own_redis.url)) as own:
        await own.ledger.redis.flushall()
        await own.ledger.ping()
        new = await own.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)
        one = await register(own, tenant_id=new.tenant.id)
        await poll(own, one.partition, LIFE[:4])
        await give_up(own, one.id)
        await give_up(own, one.id)
        other = await register(own, tenant_id=new.tenant.id, call_sid="OUT-2")
        polled = next(found for found in await claim_polls(own, other.partition) if "OUT-2" in found.watch.key.call_sid)
        for _ in range(FAILURES_TO_OPEN):
            await own.breakers.failed(DOWN, "timeout", probe=False)
        reserved = await own.once.begin(new.tenant.id, "key", b"request")
        assert isinstance(reserved, Reserved)
        yield Scene(own, new, one, await claim_one(own, one.partition), polled, reserved)


@asynccontextmanager
async def full(resources: Resources, limit: int = 1) -> AsyncIterator[None]:
    """Give Redis a limit in bytes, below what it uses."""
    await resources.ledger.redis.config_set("maxmemory", limit)
    try:
        yield
    finally:
        await resources.ledger.redis.config_set("maxmemory", 0)


def unchanged(before: dict[bytes, tuple[bytes, int]], after: dict[bytes, tuple[bytes, int]]) -> bool:
    """Whether everything is as it was, but for the time that has passed."""
    same = {name: value for name, (value, _) in before.items()} == {name: value for name, (value, _) in after.items()}
    return same and all(
        lives_ms - 60_000 < after[name][1] <= lives_ms and (lives_ms < 0) == (after[name][1] < 0)
        for name, (_, lives_ms) in before.items()
    )


async def outline(resources: Resources) -> dict[bytes, Any]:
    """Return of each key what does not depend on the time: its fields, its members, or that it is there."""
    redis, found = resources.ledger.redis, dict[bytes, Any]()
    async for name in redis.scan_iter("rb:*"):
        match await redis.type(name):
            case b"hash":
                found[name] = sorted(await redis.hkeys(name))
            case b"zset":
                found[name] = sorted(await redis.zrange(name, 0, -1))
            case b"list":
                found[name] = await redis.llen(name)
            case _:
                found[name] = True
    return found


async def _register_several(scene: Scene) -> None:
    wanted = [WantedSubscription(f"OUT-many-{number}", "https://crm.example.com/") for number in range(12)]
    await scene.resources.service.registrations.register_all(scene.new.tenant, wanted)


async def _change(scene: Scene, **fields: Any) -> None:
    await scene.resources.subscriptions.change(await read(scene.resources, scene.one.id), SubscriptionChange(**fields))


async def _probe(scene: Scene) -> None:
    await scene.resources.breakers.hasten(DOWN)
    await scene.resources.breakers.admit(DOWN)


BEGINNINGS: dict[str, Operation] = {
    "register": lambda scene: register(scene.resources, call_sid="OUT-3"),
    "register once more": lambda scene: register(scene.resources, url="https://crm.example.com/other"),
    "register in several partitions": _register_several,
    "claim polls": lambda scene: claim_polls(scene.resources, scene.one.partition),
    "claim deliveries": lambda scene: claim(scene.resources, scene.one.partition, horizon=EVERYTHING),
    "change where to": lambda scene: _change(scene, callback_url="https://crm.example.com/new"),
    "pause": lambda scene: _change(scene, paused=True),
    "create a tenant": lambda scene: scene.resources.service.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR),
    "change a tenant": lambda scene: scene.resources.service.tenants.change(
        scene.new.tenant.id, TenantChange(name="other")
    ),
    "delete a tenant": lambda scene: scene.resources.service.tenants.delete(scene.new.tenant.id),
    "create an API key": lambda scene: scene.resources.api_keys.create(scene.new.tenant.id, "second"),
    "rotate a secret": lambda scene: scene.resources.signing_secrets.rotate(scene.new.tenant.id, 60),
    "reserve an idempotency key": lambda scene: scene.resources.once.begin(scene.new.tenant.id, "other", b""),
    "report a failure": lambda scene: scene.resources.breakers.failed("https://other.example.com", "dns", probe=False),
}
ENDINGS: dict[str, Operation] = {
    "record a poll": lambda scene: scene.resources.watches.commit(
        scene.resources.subscriptions.partition_of_call("OUT-2"),
        [step_after(scene.polled, answered(scene.polled, LIFE))],
    ),
    "record a delivery": lambda scene: settle(scene.resources, scene.one.partition, delivered(scene.head)),
    "record a failure": lambda scene: settle(
        scene.resources, scene.one.partition, put_off(scene.head, "slow", retry_at=scene.head.due_at + 60)
    ),
    "record the last failure": lambda scene: settle(scene.resources, scene.one.partition, given_up(scene.head)),
    "record what was passed": lambda scene: settle(
        scene.resources, scene.one.partition, passed(scene.head, retry_at=scene.head.due_at + 60)
    ),
    "give polls back": lambda scene: scene.resources.watches.release(
        scene.resources.subscriptions.partition_of_call("OUT-2"), [scene.polled]
    ),
    "put a poll off": lambda scene: scene.resources.watches.put_off(
        scene.resources.subscriptions.partition_of_call("OUT-2"), [PutOff(scene.polled, scene.polled.due_at + 60)]
    ),
    "give deliveries back": lambda scene: scene.resources.deliveries.release(scene.one.partition, [scene.head]),
    "reserve a moment": lambda scene: scene.budgets.reserve(
        {CredentialSet.of(scene.polled.watch.key): [Wish(scene.polled.due_at, Urgency.EARLY, scene.polled.due_at)]}
    ),
    "cancel": lambda scene: scene.resources.subscriptions.end(
        scene.one.subscription, SubscriptionStatus.CANCELLED, b"x" * 100
    ),
    "replay": lambda scene: scene.redelivery.replay(
        scene.one.partition, scene.new.tenant.id, [Replay(scene.one.id, 1)]
    ),
    "retry": lambda scene: scene.redelivery.retry(scene.one.partition, scene.new.tenant.id, [Retry(scene.one.id, 1)]),
    "hasten a probe": lambda scene: scene.resources.breakers.hasten(DOWN),
    "find a destination well": lambda scene: scene.resources.breakers.succeeded(DOWN),
    "keep an answer": lambda scene: scene.resources.once.keep(scene.reserved, Answer(201, "text/plain", "", b"x" * 99)),
    "give an idempotency key free": lambda scene: scene.resources.once.release(scene.reserved),
    "revoke a key": lambda scene: scene.resources.api_keys.revoke(
        scene.new.tenant.id, "key_" + scene.new.api_key[24:44]
    ),
    "authenticate": lambda scene: scene.resources.api_keys.authenticate(scene.new.api_key),
}


@pytest.mark.parametrize("name", BEGINNINGS)
async def test_what_would_begin_something_is_refused_and_leaves_nothing(scene: Scene, name: str) -> None:
    before = await everything(scene.resources)

    async with full(scene.resources):
        with pytest.raises(StoreTakesNoWrites, match="full"):
            await BEGINNINGS[name](scene)

    assert unchanged(before, await everything(scene.resources))
    # It is the limit that it was refused for.
    await BEGINNINGS[name](scene)
    assert not unchanged(before, await everything(scene.resources))


@pytest.mark.parametrize("name", ENDINGS)
async def test_what_was_begun_is_recorded_and_wholly(scene: Scene, name: str) -> None:
    before = await everything(scene.resources)
    await ENDINGS[name](scene)
    with_room = await outline(scene.resources)
    assert not unchanged(before, await everything(scene.resources))
    await restore(scene.resources, before)

    async with full(scene.resources):
        await ENDINGS[name](scene)

    assert await outline(scene.resources) == with_room


async def test_a_probe_is_not_let_through_and_stays_to_be_had(scene: Scene) -> None:
    await scene.resources.breakers.hasten(DOWN)
    async with full(scene.resources):
        with pytest.raises(StoreTakesNoWrites):
            await scene.resources.breakers.admit(DOWN)

    admission = await scene.resources.breakers.admit(DOWN)
    assert admission is not None
    assert getattr(admission, "probe", False)


async def test_requests_are_counted_at_the_limit_too(scene: Scene) -> None:
    await scene.resources.service.tenants.change(scene.new.tenant.id, TenantChange(quotas={"requests_per_second": 2}))
    async with full(scene.resources):
        answers = [await scene.resources.api_keys.authenticate(scene.new.api_key) for _ in range(5)]
    assert [type(one).__name__ for one in answers[:3]] == ["Admitted", "Admitted", "Throttled"]


async def test_a_call_that_expired_is_forgotten_by_a_claim_that_is_carried_out_whole(scene: Scene) -> None:
    """The first write of this claim takes no memory, so what follows it is not refused."""
    partition = scene.resources.subscriptions.partition_of_call("OUT-2")
    await scene.resources.ledger.redis.zadd(partition.due, {"expired": 1})
    async with full(scene.resources):
        claims = await claim_polls(scene.resources, partition)
    assert scene.polled.watch_id in [one.watch_id for one in claims]
    step = step_after(scene.polled, answered(scene.polled, LIFE))
    assert await scene.resources.watches.commit(partition, [step]) == [Recorded.DONE_WITH_MORE]


async def test_a_limit_that_is_reached_within_a_tenants_making_leaves_none(scene: Scene) -> None:
    """What a command brings along counts as used before it runs: the record is too large, its place in a list not."""
    resources = scene.resources
    listed = await resources.ledger.redis.zrange(keys.TENANTS, 0, -1)
    used = (await resources.ledger.redis.info("memory"))["used_memory"]

    async with full(resources, used + 2 * MEGABYTE):
        with pytest.raises(StoreTakesNoWrites):
            await resources.tenants.create("x" * 6 * MEGABYTE, ACCOUNT, PROJECT, CONNECTOR)

    assert await resources.ledger.redis.zrange(keys.TENANTS, 0, -1) == listed


async def test_a_limit_that_is_reached_within_a_batch_is_told_of_and_the_rest_is_done_again(scene: Scene) -> None:
    resources = scene.resources
    small, large = (
        _wanted(f"OUT-{name}", metadata) for name, metadata in (("3", {}), ("5", {"x": "x" * 6 * MEGABYTE}))
    )
    assert len({resources.subscriptions.partition_of_call(one.key.call_sid).number for one in (small, large)}) == 2
    used = (await resources.ledger.redis.info("memory"))["used_memory"]

    async with full(resources, used + 2 * MEGABYTE):
        with pytest.raises(PartlyWritten):
            await resources.registrations.register_all([small, large])

    again = await resources.registrations.register_all([small, large])
    assert [isinstance(one, Registration) and one.created for one in again] == [False, True]


def _wanted(call_sid: str, metadata: Mapping[str, str]) -> NewSubscription:
    return NewSubscription(TENANT, make_key(call_sid=call_sid), URL, event_filter([]), metadata, None, {})


async def test_a_process_may_start_beside_a_full_redis(scene: Scene) -> None:
    ledger, partitions = scene.resources.ledger, scene.resources.settings.partitions
    await ledger.check_partitions(partitions)
    async with full(scene.resources):
        await ledger.check_partitions(partitions)
        with pytest.raises(WrongPartitions):
            await ledger.check_partitions(partitions + 1)
