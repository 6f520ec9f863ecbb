"""How the whole installation is doing, told to the operator, also while some of it cannot be asked."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.domain.breaker import FAILURES_TO_OPEN, breaker_name
from app.queue import DELIVER_QUEUE
from app.resources import Resources
from app.store.connection import Ledger
from tests.api.client import ADMIN, new_tenant, running
from tests.builders import LIFE
from tests.conftest import MakeSettings
from tests.workers.ledger import open_desk

OVERVIEW = "/v1/admin/overview"
PARTS = {"tenants", "live_calls", "lag_seconds", "jobs", "destinations", "redis", "queue_redis"}
OF_LEDGER = {"tenants", "live_calls", "lag_seconds", "destinations", "redis"}
OF_QUEUE = PARTS - OF_LEDGER


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that a test may stop."""
    with EmbeddedRedis(tmp_path / "own", appendfsync="no") as server:
        yield server


@pytest.fixture
def another_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "another", appendfsync="no") as server:
        yield server


async def look(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get(OVERVIEW, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    assert seen.keys() == PARTS
    return seen


def missing(seen: dict[str, Any]) -> set[str]:
    return {name for name, part in seen.items() if part is None}


@asynccontextmanager
async def without(server: EmbeddedRedis) -> AsyncIterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


async def test_an_empty_installation_has_nothing_to_tell_but_its_redis(api: httpx.AsyncClient) -> None:
    seen = await look(api)

    for name in ("redis", "queue_redis"):
        standing = seen.pop(name)
        assert standing.pop("memory_bytes") > 0
        assert standing == {
            "memory_limit_bytes": None,
            "evicted_keys": 0,
            "may_evict": False,
            "unpersisted": False,
        }
    assert seen == {
        "tenants": 0,
        "live_calls": {"waiting": 0, "ringing": 0, "in_progress": 0},
        "lag_seconds": {"poll": 0.0, "deliver": 0.0},
        "jobs": {"poll": 0, "deliver": 0},
        "destinations": {"open": 0, "failing": 0},
    }


async def test_it_counts_what_there_is(api: httpx.AsyncClient, resources: Resources) -> None:
    await new_tenant(api)
    for number, statuses in enumerate((1, 3, 3, 4, 5)):
        desk = await open_desk(resources, f"OUT-{number}")
        await desk.subscribe("https://crm.example.com/hook")
        await desk.happen(LIFE[:statuses])
    [(member, score)] = await resources.ledger.redis.zrange(desk.partition.outbox, 0, 0, withscores=True)
    await resources.ledger.redis.zadd(desk.partition.outbox, {member: score - 30_000})
    for host, times in (("a", FAILURES_TO_OPEN), ("b", 1), ("c", 2)):
        for _ in range(times):
            name = breaker_name(desk.tenant.id, f"https://{host}.example.com:443")
            await resources.breakers.failed(name, "503", probe=False)

    seen = await look(api)

    assert seen["tenants"] == 6
    assert seen["live_calls"] == {"waiting": 1, "ringing": 2, "in_progress": 1}
    assert seen["lag_seconds"]["deliver"] >= 30
    assert seen["destinations"] == {"open": 1, "failing": 2}


async def test_jobs_that_wait_are_counted(api: httpx.AsyncClient, resources: Resources) -> None:
    await resources.queue.zadd(DELIVER_QUEUE, {"deliver_due:1:1": 1, "deliver_due:2:1": 1})

    assert (await look(api))["jobs"] == {"poll": 0, "deliver": 2}


async def test_a_redis_that_could_lose_something_is_seen(make_settings: MakeSettings, own_redis: EmbeddedRedis) -> None:
    async with running(make_settings(redis_url=own_redis.url)) as api, aclosing(Ledger(own_redis.url)) as ledger:
        await ledger.redis.config_set("maxmemory", 100_000_000)
        await ledger.redis.config_set("maxmemory-policy", "allkeys-lru")
        await ledger.redis.config_set("appendonly", "no")

        seen = (await look(api))["redis"]

    assert (seen["memory_limit_bytes"], seen["may_evict"], seen["unpersisted"]) == (100_000_000, True, True)


async def test_a_ledger_that_is_away_hides_nothing_of_the_queue(
    make_settings: MakeSettings, own_redis: EmbeddedRedis, another_redis: EmbeddedRedis
) -> None:
    async with running(make_settings(redis_url=own_redis.url, queue_redis_url=another_redis.url)) as api:
        assert missing(await look(api)) == set()
        async with without(own_redis):
            assert missing(await look(api)) == OF_LEDGER
        async with without(another_redis):
            assert missing(await look(api)) == OF_QUEUE
        assert missing(await look(api)) == set()


async def test_without_any_redis_it_still_answers(make_settings: MakeSettings, own_redis: EmbeddedRedis) -> None:
    async with without(own_redis), running(make_settings(redis_url=own_redis.url)) as api:
        assert missing(await look(api)) == PARTS


async def test_a_redis_that_tells_nothing_of_itself_is_asked_for_the_rest(
    make_settings: MakeSettings, own_redis: EmbeddedRedis
) -> None:
    async with running(make_settings(redis_url=own_redis.url)) as api, aclosing(Ledger(own_redis.url)) as ledger:
        assert missing(await look(api)) == set()
        await ledger.redis.execute_command("ACL", "SETUSER", "default", "-info")

        assert missing(await look(api)) == {"redis", *OF_QUEUE}
