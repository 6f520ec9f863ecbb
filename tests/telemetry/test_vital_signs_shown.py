"""Each process shows how the installation is doing; what it cannot read it does not show."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.resources import Resources, open_resources
from tests.conftest import MakeSettings
from tests.peers import eventually
from tests.readings import own_readings
from tests.topologies import ask
from tests.workers.redis_trouble import go_on, hang

SHOWN = (
    "ringback_lag_seconds",
    "ringback_live_calls",
    "ringback_destinations",
    "ringback_queue_depth",
    "ringback_redis_memory_bytes",
    "ringback_redis_memory_limit_bytes",
    "ringback_redis_evicted_keys",
    "ringback_redis_unsafe",
)
BALLAST_BYTES = 10 * 1024 * 1024


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        yield server


@pytest.fixture
async def own(own_redis: EmbeddedRedis, make_settings: MakeSettings) -> AsyncIterator[Resources]:
    """Resources on a Redis of their own."""
    async with open_resources(make_settings(redis_url=own_redis.url)) as opened:
        yield opened


def shown() -> list[str]:
    """Return which of the signs are there at all."""
    names = {name for name, _ in own_readings().samples}
    return [name for name in SHOWN if name in names]


async def test_all_signs_are_shown(resources: Resources) -> None:
    await resources.vital_signs.publish()
    readings = own_readings()
    assert shown() == list(SHOWN)
    assert readings.all("ringback_redis_up", "redis") == {"ledger": 1.0, "queue": 1.0}
    assert readings.all("ringback_lag_seconds", "loop") == {"poll": 0.0, "deliver": 0.0}
    assert readings.all("ringback_live_calls", "phase") == {"waiting": 0.0, "ringing": 0.0, "in_progress": 0.0}
    assert readings.all("ringback_destinations", "breaker") == {"open": 0.0, "failing": 0.0}


async def test_each_reading_times_a_round_trip(resources: Resources) -> None:
    name = "ringback_redis_round_trip_seconds_count"
    before = own_readings().all(name, "redis")
    await resources.vital_signs.publish()
    assert own_readings().all(name, "redis") == {redis: count + 1 for redis, count in before.items()}


async def test_jobs_that_wait_are_counted(resources: Resources) -> None:
    for partition in range(3):
        resources.poll_doorbell.ring(partition)
    resources.deliver_doorbell.ring(0)
    await resources.poll_doorbell.aclose()
    await resources.deliver_doorbell.aclose()
    await resources.vital_signs.publish()
    assert own_readings().all("ringback_queue_depth", "queue") == {"poll": 3.0, "deliver": 1.0}


async def test_a_redis_that_is_nearly_full_and_unsafe_is_seen(own_redis: EmbeddedRedis, own: Resources) -> None:
    await own.ledger.redis.set("ballast", b"x" * BALLAST_BYTES)
    most = round((await own.ledger.redis.info("memory"))["used_memory"] / 0.9)
    await own.ledger.redis.config_set("maxmemory", most)
    await own.ledger.redis.config_set("maxmemory-policy", "allkeys-lru")
    await own.vital_signs.publish()
    readings = own_readings()
    memory, limit = (readings.value(f"ringback_redis_memory_{one}", redis="ledger") for one in ("bytes", "limit_bytes"))
    assert memory is not None
    assert limit == most
    assert memory > BALLAST_BYTES
    assert readings.value("ringback_redis_unsafe", redis="ledger", reason="may_evict") == 1.0
    assert readings.value("ringback_redis_unsafe", redis="ledger", reason="no_persistence") == 0.0
    assert ask(own_redis.port, "CONFIG", "SET", "appendonly", "no") == b"OK"
    await own.vital_signs.publish()
    assert own_readings().value("ringback_redis_unsafe", redis="ledger", reason="no_persistence") == 1.0


async def test_a_full_redis_can_still_be_read(own: Resources) -> None:
    await own.ledger.redis.config_set("maxmemory", 1)
    await own.vital_signs.publish()
    assert own_readings().value("ringback_redis_up", redis="ledger") == 1.0
    assert shown() == list(SHOWN)


async def test_while_redis_is_away_nothing_old_is_shown(own_redis: EmbeddedRedis, own: Resources) -> None:
    await own.vital_signs.publish()
    own_redis.kill()
    await own.vital_signs.publish()
    assert own_readings().all("ringback_redis_up", "redis") == {"ledger": 0.0, "queue": 0.0}
    assert shown() == []
    own_redis.start()
    await own.vital_signs.publish()
    assert own_readings().all("ringback_redis_up", "redis") == {"ledger": 1.0, "queue": 1.0}
    assert shown() == list(SHOWN)


async def test_nor_while_it_hangs(own_redis: EmbeddedRedis, own: Resources) -> None:
    await own.vital_signs.publish()
    hang(own_redis)
    try:
        async with asyncio.timeout(20):
            await own.vital_signs.publish()
    finally:
        go_on(own_redis)
    assert own_readings().all("ringback_redis_up", "redis") == {"ledger": 0.0, "queue": 0.0}
    assert shown() == []


async def test_one_redis_that_is_away_hides_nothing_of_the_other(
    own_redis: EmbeddedRedis, make_settings: MakeSettings
) -> None:
    own_redis.kill()
    async with open_resources(make_settings(queue_redis_url=own_redis.url)) as opened:
        await opened.vital_signs.publish()
    readings = own_readings()
    assert readings.all("ringback_redis_up", "redis") == {"ledger": 1.0, "queue": 0.0}
    assert readings.all("ringback_lag_seconds", "loop") == {"poll": 0.0, "deliver": 0.0}
    assert readings.all("ringback_queue_depth", "queue") == {}


async def test_a_user_who_may_not_ask_is_told_of_once(
    own_redis: EmbeddedRedis, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    ask(own_redis.port, "ACL", "SETUSER", "old", "on", ">old", "~*", "+@all", "-zrandmember")
    url = own_redis.url.replace("redis://", "redis://old:old@")
    async with open_resources(make_settings(redis_url=url)) as opened:
        with caplog.at_level(logging.WARNING, "app.service.vital_signs"):
            await opened.vital_signs.publish()
            await opened.vital_signs.publish()
    assert own_readings().value("ringback_redis_up", redis="ledger") == 1.0
    assert own_readings().all("ringback_lag_seconds", "loop") == {}
    assert [record.message for record in caplog.records] == ["vital signs cannot be read"]


async def test_they_are_shown_from_the_first_moment_and_then_again_and_again(make_settings: MakeSettings) -> None:
    def are_shown(depth: float) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            return own_readings().value("ringback_queue_depth", queue="poll") == depth

        return look

    async with open_resources(make_settings(vital_signs_seconds=0.05)) as opened, opened.vital_signs.published("api"):
        await eventually(are_shown(0.0), "the vital signs")
        opened.poll_doorbell.ring(0)
        await eventually(are_shown(1.0), "the vital signs, read anew")
    assert own_readings().all("ringback_build_info", "role")["api"] == 1.0
