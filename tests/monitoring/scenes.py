"""How each alert is provoked: by really breaking what it is about, and mending it again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

from tests.monitoring.world import World

_JUNK_BYTES = 10_000
_JUNK = 3_000


@dataclass(frozen=True, slots=True)
class Scene:
    """`broken` breaks something while it is open; these alerts are to fire meanwhile, within `seconds`."""

    how: str
    alerts: tuple[str, ...]
    broken: Callable[[World], AbstractAsyncContextManager[None]]
    seconds: float = 90.0


@asynccontextmanager
async def redis_gone(world: World) -> AsyncIterator[None]:
    world.redis.kill()
    yield
    world.redis.start()


@asynccontextmanager
async def redis_full(world: World) -> AsyncIterator[None]:
    redis = world.redis_client()
    redis.config_set("maxmemory", round(world.redis_memory() * 1.05))
    yield
    redis.config_set("maxmemory", 0)
    redis.close()


@asynccontextmanager
async def redis_evicting(world: World) -> AsyncIterator[None]:
    """Only what has a lifetime, and the shortest first: what is thrown away is ours and worthless."""
    redis = world.redis_client()
    redis.config_set("maxmemory-samples", 64)
    redis.config_set("maxmemory-policy", "volatile-ttl")
    for number in range(_JUNK):
        redis.set(f"junk:{number}", b"x" * _JUNK_BYTES, ex=120)
    # The counter is read every 15 s: it has to be known before it grows.
    await asyncio.sleep(15)
    redis.config_set("maxmemory", round(world.redis_memory() - _JUNK * _JUNK_BYTES / 3))
    yield
    redis.config_set("maxmemory", 0)
    redis.config_set("maxmemory-policy", "noeviction")
    redis.close()


@asynccontextmanager
async def poll_workers_stopped(world: World) -> AsyncIterator[None]:
    world.poll.signal(signal.SIGSTOP)
    yield
    world.poll.signal(signal.SIGCONT)


@asynccontextmanager
async def deliver_workers_stopped(world: World) -> AsyncIterator[None]:
    world.deliver.signal(signal.SIGSTOP)
    yield
    world.deliver.signal(signal.SIGCONT)


@asynccontextmanager
async def worker_wedged(world: World) -> AsyncIterator[None]:
    world.deliver.signal(signal.SIGUSR1)
    yield
    await world.deliver.again()


@asynccontextmanager
async def worker_killed_repeatedly(world: World) -> AsyncIterator[None]:
    for _ in range(4):
        await world.poll.again()
        await asyncio.sleep(3)
    yield


@asynccontextmanager
async def worker_frozen_repeatedly(world: World) -> AsyncIterator[None]:
    """For longer than a lease each time: what it had claimed is another's when it wakes up."""

    async def freeze() -> None:
        while True:
            world.poll.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(10)
            finally:
                world.poll.signal(signal.SIGCONT)
            await asyncio.sleep(4)

    task = asyncio.create_task(freeze())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def upstream_failing(world: World) -> AsyncIterator[None]:
    world.upstream.fail(500)
    yield
    world.upstream.mend()


@asynccontextmanager
async def upstream_failing_often(world: World) -> AsyncIterator[None]:
    world.upstream.fail(500, share=0.4)
    yield
    world.upstream.mend()


@asynccontextmanager
async def connector_refused(world: World) -> AsyncIterator[None]:
    world.upstream.fail(401)
    yield
    world.upstream.mend()


@asynccontextmanager
async def budget_short(world: World) -> AsyncIterator[None]:
    await world.poll.again(upstream_max_rps=2)
    yield
    await world.poll.again()


@asynccontextmanager
async def receivers_down(world: World) -> AsyncIterator[None]:
    for receiver in world.receivers:
        receiver.fail(503)
    yield
    for receiver in world.receivers:
        receiver.mend()


@asynccontextmanager
async def receivers_slow(world: World) -> AsyncIterator[None]:
    for receiver in world.receivers:
        receiver.delay = 2.0
    yield
    for receiver in world.receivers:
        receiver.mend()


SCENES = (
    Scene("upstream answers 500 to everything", ("RingbackUpstreamDown",), upstream_failing),
    Scene("upstream answers 500 to 40 %", ("RingbackPollsFailing",), upstream_failing_often, 150),
    Scene("upstream answers 401 to everything", ("RingbackConnectorsRefused", "RingbackCallsLost"), connector_refused),
    Scene("SIGKILL of Redis", ("RingbackRedisDown", "RingbackApiFailing"), redis_gone),
    Scene("maxmemory just above what is used", ("RingbackRedisFull", "RingbackRedisFilling"), redis_full, 120),
    Scene(
        "maxmemory below what is used, volatile-ttl", ("RingbackRedisEvicting", "RingbackRedisUnsafe"), redis_evicting
    ),
    Scene(
        "SIGSTOP of all poll workers",
        ("RingbackPollsLate", "RingbackComponentDown", "RingbackTargetDown"),
        poll_workers_stopped,
        120,
    ),
    Scene("SIGSTOP of all deliver workers", ("RingbackDeliveriesLate",), deliver_workers_stopped, 120),
    Scene("SIGKILL of a worker, four times", ("RingbackRestarting",), worker_killed_repeatedly),
    Scene("UPSTREAM_MAX_RPS of 2", ("RingbackBudgetShort",), budget_short, 120),
    Scene("SIGSTOP of a worker for 10 s, again and again", ("RingbackLeasesLost",), worker_frozen_repeatedly, 180),
    Scene("the arq loop of a worker waits for ever", ("RingbackWorkerStuck",), worker_wedged, 120),
    Scene(
        "all three receivers answer 503",
        ("RingbackNothingDelivered", "RingbackDeadLetters", "RingbackDestinationsFailing"),
        receivers_down,
        240,
    ),
    Scene("receivers take 2 s for each answer", ("RingbackEventsLate",), receivers_slow, 240),
)
