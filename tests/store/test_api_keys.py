"""API keys in the ledger: whose a key is, when it was used, and that a revoked one opens nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from app.resources import Resources
from app.store import keys
from app.store.api_keys import MAX_API_KEYS, Admitted, NewApiKey, NotAdded
from app.store.tenants import NewTenant
from tests.builders import ACCOUNT, CONNECTOR, PROJECT

_NOBODY = "ten_1m842cp907q3yc2f95cq"
_ZERO_KEY = "key_" + "0" * 20


async def _tenant(resources: Resources) -> NewTenant:
    return await resources.tenants.create("CRM", ACCOUNT, PROJECT, CONNECTOR)


async def _another(resources: Resources, tenant_id: str, name: str = "another") -> NewApiKey:
    new = await resources.api_keys.create(tenant_id, name)
    assert isinstance(new, NewApiKey)
    return new


async def _last_use(resources: Resources, tenant_id: str) -> float | None:
    found = await resources.api_keys.of_tenant(tenant_id)
    assert found is not None
    return found[0].last_used_at


async def test_each_of_a_tenants_keys_opens_the_same(resources: Resources) -> None:
    new = await _tenant(resources)
    another = await _another(resources, new.tenant.id)

    for text in (new.api_key, another.text):
        admitted = await resources.api_keys.authenticate(text)
        assert isinstance(admitted, Admitted)
        assert (admitted.tenant, admitted.rate) == (new.tenant, None)
    assert isinstance(admitted, Admitted)
    assert admitted.key_id == another.key.id
    assert another.text not in repr(another)


async def test_keys_are_listed_the_oldest_first_without_the_keys(resources: Resources) -> None:
    new = await _tenant(resources)
    another = await _another(resources, new.tenant.id, "for the other system")

    listed = await resources.api_keys.of_tenant(new.tenant.id)

    assert listed is not None
    assert sorted(one.name for one in listed) == ["default", "for the other system"]
    assert another.key in listed
    assert listed == sorted(listed, key=lambda one: one.id)
    assert await resources.api_keys.of_tenant(_NOBODY) is None
    assert await resources.api_keys.of_tenant("nonsense") is None


async def test_a_revoked_key_opens_nothing_and_the_others_still_do(resources: Resources) -> None:
    new = await _tenant(resources)
    another = await _another(resources, new.tenant.id)
    assert isinstance(await resources.api_keys.authenticate(another.text), Admitted)

    assert await resources.api_keys.revoke(new.tenant.id, another.key.id)

    assert await resources.api_keys.authenticate(another.text) is None
    assert isinstance(await resources.api_keys.authenticate(new.api_key), Admitted)
    assert not await resources.api_keys.revoke(new.tenant.id, another.key.id)
    row = await resources.ledger.redis.hgetall(keys.tenant(new.tenant.id))
    assert not [field for field in row if another.key.id.removeprefix("key_").encode() in field]


@pytest.mark.parametrize("key_id", [_ZERO_KEY, "", "key_", "n", "key_{}", "key_n"])
async def test_there_is_nothing_to_revoke(resources: Resources, key_id: str) -> None:
    new = await _tenant(resources)

    assert not await resources.api_keys.revoke(new.tenant.id, key_id)
    assert not await resources.api_keys.revoke(_NOBODY, key_id)
    assert await resources.tenants.get(new.tenant.id) == new.tenant


async def test_another_tenants_key_cannot_be_revoked(resources: Resources) -> None:
    one, other = await _tenant(resources), await _tenant(resources)
    theirs = await _another(resources, other.tenant.id)

    assert not await resources.api_keys.revoke(one.tenant.id, theirs.key.id)
    assert isinstance(await resources.api_keys.authenticate(theirs.text), Admitted)


async def test_a_tenant_gets_no_more_keys_than_so_many(resources: Resources) -> None:
    new = await _tenant(resources)

    made = await asyncio.gather(*(resources.api_keys.create(new.tenant.id, "another") for _ in range(MAX_API_KEYS + 4)))

    assert [one for one in made if not isinstance(one, NewApiKey)] == [NotAdded.TOO_MANY] * 5
    listed = await resources.api_keys.of_tenant(new.tenant.id)
    assert listed is not None
    assert len(listed) == MAX_API_KEYS


@pytest.mark.parametrize("tenant_id", [_NOBODY, "nonsense"])
async def test_nobody_gets_no_key(resources: Resources, tenant_id: str) -> None:
    assert await resources.api_keys.create(tenant_id, "a key") is NotAdded.NO_SUCH_TENANT
    assert not await resources.ledger.redis.exists(keys.tenant(tenant_id))


async def test_the_last_use_is_noted_once_a_minute(resources: Resources) -> None:
    new = await _tenant(resources)
    redis, name = resources.ledger.redis, keys.tenant(new.tenant.id)
    assert await _last_use(resources, new.tenant.id) is None

    await resources.api_keys.authenticate(new.api_key)

    used_at = await _last_use(resources, new.tenant.id)
    assert used_at is not None
    assert abs(used_at - resources.ledger.clock.now()) < 30
    [field] = [field for field in await redis.hkeys(name) if field.startswith(b"u")]
    for seconds, noted_again in ((30, False), (61, True), (-3600, True)):
        before = round((resources.ledger.clock.now() - seconds) * 1000)
        await redis.hset(name, field, before)
        await resources.api_keys.authenticate(new.api_key)
        assert (int(await redis.hget(name, field)) != before) is noted_again


async def _commands(resources: Resources, work: Callable[[], Awaitable[object]]) -> dict[str, int]:
    """Return how often Redis carried out which command meanwhile."""
    redis, masters = resources.ledger.redis, await resources.ledger.masters()
    for master in masters:
        await redis.config_resetstat(**master.options)
    await work()
    # Redis 6 says `config`, Redis 7 `config|resetstat`.
    ignored = ("cmdstat_config", "cmdstat_config|resetstat", "cmdstat_info", "cmdstat_ping")
    calls: Counter[str] = Counter()
    for master in masters:
        stats = await redis.info("commandstats", **master.options)
        calls.update({name: row["calls"] for name, row in stats.items() if name not in ignored})
    return dict(calls)


async def test_whatever_is_wrong_with_a_key_redis_does_the_same(resources: Resources) -> None:
    new, other = await _tenant(resources), await _tenant(resources)
    tenant_part = new.tenant.id.removeprefix("ten_")
    wrong_chance = "A" * 43
    offered = {
        "a wrong chance": new.api_key[:-43] + wrong_chance,
        "an unknown key": f"rbk_{tenant_part}{'0' * 20}_{wrong_chance}",
        "an unknown tenant": f"rbk_{'0' * 40}_{wrong_chance}",
        "another tenant's chance": new.api_key[:-43] + other.api_key[-43:],
    }

    for text in offered.values():
        # So that the script is loaded wherever it is to run.
        await resources.api_keys.authenticate(text)
        done = await _commands(resources, partial(resources.api_keys.authenticate, text))
        assert done == {"cmdstat_evalsha": 1, "cmdstat_hmget": 1}
        assert await resources.api_keys.authenticate(text) is None
    assert await _last_use(resources, new.tenant.id) is None
