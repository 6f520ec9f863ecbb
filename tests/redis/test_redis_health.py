"""What a Redis says of itself, and which of a cluster's masters counts."""

from typing import Any

import pytest

from app.redis.health import health_of

SAFE: dict[str, Any] = {"maxmemory_policy": "noeviction", "aof_enabled": 1, "evicted_keys": 0}


def info(used: int, limit: int, **more: Any) -> dict[str, Any]:
    return {**SAFE, "used_memory": used, "maxmemory": limit, **more}


def test_one_redis_tells_of_itself() -> None:
    health = health_of([info(70, 100, evicted_keys=3)])
    assert (health.memory_bytes, health.memory_limit_bytes, health.evicted_keys) == (70, 100, 3)
    assert not health.may_evict
    assert not health.unpersisted


def test_the_fullest_master_of_a_cluster_counts() -> None:
    health = health_of([info(80, 200), info(60, 100), info(90, 0)])
    assert (health.memory_bytes, health.memory_limit_bytes) == (60, 100)


def test_without_limits_the_one_that_uses_most() -> None:
    health = health_of([info(80, 0), info(90, 0)])
    assert (health.memory_bytes, health.memory_limit_bytes) == (90, 0)


def test_evicted_keys_are_added_up() -> None:
    assert health_of([info(1, 0, evicted_keys=2), info(2, 0, evicted_keys=5)]).evicted_keys == 7


@pytest.mark.parametrize(
    ("said", "reason"), [({"maxmemory_policy": "allkeys-lru"}, "may_evict"), ({"aof_enabled": 0}, "unpersisted")]
)
def test_one_unsafe_master_makes_all_of_it_unsafe(said: dict[str, Any], reason: str) -> None:
    health = health_of([info(1, 0), info(1, 0, **said)])
    assert [name for name in ("may_evict", "unpersisted") if getattr(health, name)] == [reason]
