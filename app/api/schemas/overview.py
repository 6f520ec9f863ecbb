"""The overview of an installation."""

from typing import Self

from pydantic import BaseModel, Field

from app.domain.call import Phase
from app.queue import QueueSigns
from app.redis.health import RedisHealth
from app.service.overview import Overview as LookedAt
from app.store.vital_signs import LedgerSigns

_MILLISECONDS = 3


class LiveCalls(BaseModel):
    """Calls that are polled, by phase: from a few hundred on, each number is estimated from a sample."""

    waiting: int = Field(description="Before it rings.", examples=[12])
    ringing: int = Field(examples=[3])
    in_progress: int = Field(examples=[40])

    @classmethod
    def of(cls, signs: LedgerSigns) -> Self:
        return cls(
            waiting=round(signs.live_calls[Phase.WAITING]),
            ringing=round(signs.live_calls[Phase.RINGING]),
            in_progress=round(signs.live_calls[Phase.IN_PROGRESS]),
        )


class Lags(BaseModel):
    """For how long the oldest of what is due has waited for a worker, in seconds."""

    poll: float = Field(examples=[0.0])
    deliver: float = Field(examples=[0.2])

    @classmethod
    def of(cls, signs: LedgerSigns) -> Self:
        return cls(poll=round(signs.poll_lag, _MILLISECONDS), deliver=round(signs.deliver_lag, _MILLISECONDS))


class Jobs(BaseModel):
    """Jobs in the workers' queues, those that are run just now among them."""

    poll: int = Field(examples=[16])
    deliver: int = Field(examples=[1])

    @classmethod
    def of(cls, signs: QueueSigns) -> Self:
        return cls(**signs.depths)


class DestinationCounts(BaseModel):
    """Destinations in trouble, among the 2,000 that failed last."""

    open: int = Field(description="Those whose breaker is open, or half-open.", examples=[1])
    failing: int = Field(description="Those that have failed and are tried still.", examples=[2])

    @classmethod
    def of(cls, signs: LedgerSigns) -> Self:
        return cls(open=signs.open_destinations, failing=signs.failing_destinations)


class RedisStanding(BaseModel):
    """How a Redis is doing; of a cluster, the fullest master's memory and all of them together."""

    memory_bytes: int = Field(examples=[52_428_800])
    memory_limit_bytes: int | None = Field(description="Null where there is none.", examples=[1_073_741_824])
    evicted_keys: int = Field(description="Since it was started.", examples=[0])
    may_evict: bool = Field(description="Whether its `maxmemory-policy` lets it lose keys.", examples=[False])
    unpersisted: bool = Field(description="Whether it has no append-only file.", examples=[False])

    @classmethod
    def of(cls, health: RedisHealth) -> Self:
        return cls(
            memory_bytes=health.memory_bytes,
            memory_limit_bytes=health.memory_limit_bytes or None,
            evicted_keys=health.evicted_keys,
            may_evict=health.may_evict,
            unpersisted=health.unpersisted,
        )


class Overview(BaseModel):
    """How the installation is doing; what could not be read just now is null."""

    tenants: int | None = Field(description="How many there are.", examples=[4])
    live_calls: LiveCalls | None
    lag_seconds: Lags | None
    jobs: Jobs | None
    destinations: DestinationCounts | None
    redis: RedisStanding | None = Field(description="The Redis that keeps everything.")
    queue_redis: RedisStanding | None = Field(description="The Redis of the workers' queues; it may be the same one.")

    @classmethod
    def of(cls, seen: LookedAt) -> Self:
        return cls(
            tenants=seen.tenants,
            live_calls=seen.ledger and LiveCalls.of(seen.ledger),
            lag_seconds=seen.ledger and Lags.of(seen.ledger),
            jobs=seen.queue and Jobs.of(seen.queue),
            destinations=seen.ledger and DestinationCounts.of(seen.ledger),
            redis=seen.ledger_redis and RedisStanding.of(seen.ledger_redis),
            queue_redis=seen.queue and RedisStanding.of(seen.queue.health),
        )
