"""What a Redis says of itself with INFO, and what of it could lose data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """How a Redis is doing, or the masters of a cluster together.

    The memory in use and its limit, 0 for none, are the fullest master's; the keys evicted since its start are all
    masters' together. `may_evict` and `unpersisted` say whether one of them could lose data.
    """

    memory_bytes: int
    memory_limit_bytes: int
    evicted_keys: int
    may_evict: bool
    unpersisted: bool


def health_of(infos: Collection[Mapping[str, Any]]) -> RedisHealth:
    """Read the answers to INFO of all masters, of which there is one at least."""
    memory, limit = max((_memory(info) for info in infos), key=_fullness)
    return RedisHealth(
        memory_bytes=memory,
        memory_limit_bytes=limit,
        evicted_keys=sum(int(info.get("evicted_keys", 0)) for info in infos),
        may_evict=any(may_evict(info) for info in infos),
        unpersisted=any(is_unpersisted(info) for info in infos),
    )


def may_evict(info: Mapping[str, Any]) -> bool:
    return bool(info.get("maxmemory_policy", "noeviction") != "noeviction")


def is_unpersisted(info: Mapping[str, Any]) -> bool:
    return not info.get("aof_enabled")


def _memory(info: Mapping[str, Any]) -> tuple[int, int]:
    return int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))


def _fullness(memory: tuple[int, int]) -> tuple[float, int]:
    """Order by the share of the limit that is used; one without a limit is never full."""
    used, limit = memory
    return (used / limit if limit else 0.0), used
