"""Many live calls, followed on a Redis of their own, with the stub for an upstream, and poll workers to ask for them.

The calls never change: what is measured is polling. They are registered, and polled for the first time, by this process
and without the upstream, so that a hundred thousand of them are there within half a minute.
"""

import random
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.dev.embedded_redis import EmbeddedRedis
from app.domain.cadence import Answered, Pace, PollAgain, after_poll
from app.domain.call import Answer, CallKey
from app.domain.dialect import fingerprint, parse_answer
from app.domain.subscription import EventFilter
from app.resources import Resources, open_resources
from app.settings import load_settings
from app.store.keys import Partition, all_partitions
from app.store.subscriptions import NewSubscription
from app.store.watches import ClaimedPoll, PolledStep
from tests.bench.lives import Life, answer
from tests.bench.stub_process import RunningStub, stub
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ENCRYPTION_KEY
from tests.processes import Process, environment, start_worker, worker

_AT_ONCE = 1000
# Beyond every pace, and beyond the lease: what is claimed once can be claimed again.
_EVERYTHING_SECONDS = 1e6
_LEASE_SECONDS = 5e5


@dataclass(frozen=True, slots=True)
class Followed:
    """Calls with the SIDs `sids`, polled every `pace_seconds` each."""

    sids: tuple[str, ...]
    pace_seconds: float
    stub: RunningStub
    redis_url: str
    redis_pid: int
    folder: Path
    resources: Resources
    settings: Mapping[str, object]

    async def spread(self, within_seconds: float = 0.0) -> float:
        """Let the calls fall due evenly over one pace that begins so many seconds from now; no worker may be running.

        Returns the Unix time at which the first one is due.
        """
        chance = random.Random(0)  # noqa: S311 -- a repeatable load
        partitions = all_partitions(self.resources.settings.partitions)
        claims = [(partition, await self._claim(partition, len(self.sids))) for partition in partitions]
        # To claim a hundred thousand takes seconds.
        begin = time.time() + within_seconds
        for partition, claimed in claims:
            spread = [replace(claim, due_at=begin + chance.uniform(0, self.pace_seconds)) for claim in claimed]
            for at in range(0, len(spread), _AT_ONCE):
                await self.resources.watches.release(partition, spread[at : at + _AT_ONCE])
        return begin

    @asynccontextmanager
    async def workers(self, count: int = 1, connections: int = 300) -> AsyncIterator[list[int]]:
        """Run so many poll workers with so many connections each, and yield their processes' ids."""
        settings = environment(**self.settings, upstream_max_connections=connections)
        processes: list[Process] = []
        try:
            for number in range(count):
                process = worker("poll", settings, self.folder / f"worker-{number}")
                processes.append(process)
                await start_worker(process)
            yield [process.pid for process in processes]
            for process in processes:
                await process.terminate()
        finally:
            for process in processes:
                process.kill()

    async def recorded(self) -> int:
        """Return how many polls the ledger knows of."""
        total = 0
        for partition in all_partitions(self.resources.settings.partitions):
            names = await self.resources.ledger.redis.zrange(partition.due, 0, -1)
            pipe = self.resources.ledger.redis.pipeline(transaction=False)
            for name in names:
                pipe.hget(partition.watch(name.decode()), "n")
            total += sum(int(polls or 0) for polls in await pipe.execute())
        return total

    async def prepare(self, tenant_id: str) -> None:
        """Register the calls, and let each have been polled once."""
        for at in range(0, len(self.sids), _AT_ONCE):
            await self.resources.registrations.register_all(
                [_subscription(tenant_id, sid) for sid in self.sids[at : at + _AT_ONCE]]
            )
        if not self.sids:
            return
        now, key = time.time(), _key(self.sids[0])
        # But for the fingerprint, what is read of an answer names no call: it is that of all calls of one life.
        told = parse_answer(answer(ACCOUNT, PROJECT, CONNECTOR, key.call_sid, now), key)
        for partition in all_partitions(self.resources.settings.partitions):
            while claims := [one for one in await self._claim(partition, _AT_ONCE) if not one.watch.snapshot.known]:
                await self.resources.watches.commit(
                    partition, [_polled(claim, _of(claim, told, now), now) for claim in claims]
                )

    async def _claim(self, partition: Partition, limit: int) -> list[ClaimedPoll]:
        return await self.resources.watches.claim(
            partition, horizon_seconds=_EVERYTHING_SECONDS, lease_seconds=_LEASE_SECONDS, limit=limit
        )


@asynccontextmanager
async def followed(calls: int, pace_seconds: float) -> AsyncIterator[Followed]:
    """Follow so many calls that are ringing; a ringing call's pace does not change."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        upstream = await stack.enter_async_context(stub(folder))
        settings: dict[str, object] = {
            "redis_url": redis.url,
            "upstream_base_url": upstream.url,
            "encryption_keys": ENCRYPTION_KEY,
            "worker_port": 0,
            "poll_early_seconds": pace_seconds,
            "poll_early_max_seconds": pace_seconds,
        }
        resources = await stack.enter_async_context(open_resources(load_settings("tools", **settings)))
        await resources.ledger.ping()
        tenant = await resources.tenants.create("bench", ACCOUNT, PROJECT, CONNECTOR)
        life = Life.ringing(time.time())
        sids = tuple(life.sid(number) for number in range(calls))
        made = Followed(sids, pace_seconds, upstream, redis.url, redis.pid or 0, folder, resources, settings)
        await made.prepare(tenant.tenant.id)
        yield made


def _key(sid: str) -> CallKey:
    return CallKey(ACCOUNT, PROJECT, CONNECTOR, sid)


def _subscription(tenant_id: str, sid: str) -> NewSubscription:
    callback_url = "https://crm.example.com/hooks/calls"
    return NewSubscription(tenant_id, _key(sid), callback_url, EventFilter(("final",)), {"deal": "4711"}, None, {})


def _polled(claim: ClaimedPoll, told: Answered, now: float) -> PolledStep:
    """Return what a poll at `now` leads to, but that the next one is far away."""
    step = after_poll(claim.watch, told, now, Pace(), 0.5)
    return PolledStep(claim, replace(step, following=PollAgain(now + _EVERYTHING_SECONDS / 2)), now)


def _of(claim: ClaimedPoll, told: Answer, now: float) -> Answered:
    """Return what was told of one call, as a poll of its own call would have read it."""
    body = answer(ACCOUNT, PROJECT, CONNECTOR, claim.watch.key.call_sid, now)
    return Answered(replace(told, fingerprint=fingerprint(body)))
