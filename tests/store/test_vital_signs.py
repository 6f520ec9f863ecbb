"""The ledger tells how the whole installation is doing, whether anybody works or not."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.domain.call import Phase
from app.domain.upstream_budget import Promise
from app.queue import QueueVitalSigns
from app.resources import Resources, open_resources
from app.store.vital_signs import LedgerSigns, VitalSigns
from app.store.watches import PutOff
from tests.builders import LIFE
from tests.conftest import MakeSettings
from tests.processes import ROOT
from tests.topologies import ask
from tests.workers.ledger import Desk, open_desk

LONG_AGO_SECONDS = 30.0
# More than a partition is sampled for.
MANY = 300
_GRANT = re.compile(r"^ACL SETUSER (?P<name>\w+) on >… (?P<rules>(?:[^\n]|(?<=\\)\n)*)", re.MULTILINE)


async def read(resources: Resources) -> LedgerSigns:
    return await VitalSigns(resources.ledger, resources.settings.partitions).read()


async def follow(resources: Resources, sid: str, statuses: int) -> Desk:
    """Follow a call of which the upstream has told so many statuses."""
    desk = await open_desk(resources, sid)
    await desk.subscribe("https://crm.example.com/hook")
    if statuses:
        await desk.happen(LIFE[:statuses])
    return desk


async def set_due(desk: Desk, ago_seconds: float) -> None:
    """Let the call have fallen due so long ago."""
    at = (time.time() - ago_seconds) * 1000
    await desk.resources.ledger.redis.zadd(desk.partition.due, {desk.key.watch_id: at})


@pytest.fixture
async def desk(resources: Resources) -> Desk:
    """A call that is due in the future, and its first event, which is not delivered yet."""
    return await follow(resources, "OUT-1", 1)


async def test_an_empty_installation_lags_nowhere(resources: Resources) -> None:
    assert await read(resources) == LedgerSigns(
        poll_lag=0.0,
        deliver_lag=0.0,
        live_calls={Phase.WAITING: 0.0, Phase.RINGING: 0.0, Phase.IN_PROGRESS: 0.0},
        open_destinations=0,
        failing_destinations=0,
    )


async def test_what_is_due_in_the_future_lags_not(desk: Desk) -> None:
    assert (await read(desk.resources)).poll_lag == 0.0


async def test_the_oldest_that_nobody_has_claimed_lags(desk: Desk) -> None:
    before = time.time()
    await set_due(desk, LONG_AGO_SECONDS)
    await set_due(await follow(desk.resources, "OUT-2", 1), LONG_AGO_SECONDS / 2)
    signs = await read(desk.resources)
    assert LONG_AGO_SECONDS - 0.5 <= signs.poll_lag <= LONG_AGO_SECONDS + time.time() - before + 0.5


async def test_what_is_claimed_lags_no_more(desk: Desk) -> None:
    await set_due(desk, LONG_AGO_SECONDS)
    await desk.claim_poll()
    assert (await read(desk.resources)).poll_lag == 0.0


async def test_nor_does_what_is_put_off(desk: Desk) -> None:
    await set_due(desk, LONG_AGO_SECONDS)
    claim = await desk.claim_poll()
    until = desk.resources.ledger.clock.now() + 60
    await desk.resources.watches.put_off(desk.partition, [PutOff(claim, until, Promise.MOMENT)])
    assert (await read(desk.resources)).poll_lag == 0.0


async def test_events_that_nobody_delivers_lag_too(desk: Desk) -> None:
    ((member, score),) = await desk.resources.ledger.redis.zrange(desk.partition.outbox, 0, 0, withscores=True)
    await desk.resources.ledger.redis.zadd(desk.partition.outbox, {member: score - LONG_AGO_SECONDS * 1000})
    signs = await read(desk.resources)
    assert signs.deliver_lag >= LONG_AGO_SECONDS
    assert signs.poll_lag == 0.0
    await desk.claims()
    assert (await read(desk.resources)).deliver_lag == 0.0


async def test_live_calls_are_told_by_phase(resources: Resources) -> None:
    for number, statuses in enumerate((0, 1, 2, 3, 3, 4, 5)):
        await follow(resources, f"OUT-{number}", statuses)
    signs = await read(resources)
    assert signs.live_calls == {Phase.WAITING: 3.0, Phase.RINGING: 2.0, Phase.IN_PROGRESS: 1.0}


async def test_where_there_are_many_a_sample_tells_the_shares_and_the_number_is_exact(resources: Resources) -> None:
    desk = await follow(resources, "OUT-1", 3)
    redis, partition = resources.ledger.redis, desk.partition
    state = await redis.hget(partition.watch(desk.key.watch_id), "s")
    for number in range(MANY):
        name = f"{number:024}"
        await redis.zadd(partition.due, {name: (time.time() + 60) * 1000})
        await redis.hset(partition.watch(name), mapping={"i": "call", "s": state} if number % 2 else {"i": "call"})
    signs = await read(resources)
    assert sum(signs.live_calls.values()) == pytest.approx(MANY + 1)
    # Half of them: six standard deviations of a sample leave room for as much.
    assert MANY * 0.15 < signs.live_calls[Phase.RINGING] < MANY * 0.85
    assert signs.live_calls[Phase.IN_PROGRESS] == 0.0


async def test_calls_that_have_expired_and_states_of_a_newer_version_harm_nothing(desk: Desk) -> None:
    redis, partition = desk.resources.ledger.redis, desk.partition
    await redis.zadd(partition.due, {"expired": (time.time() + 60) * 1000, "newer": (time.time() + 60) * 1000})
    await redis.hset(partition.watch("newer"), mapping={"i": "call", "s": b"\x02something"})
    assert (await read(desk.resources)).live_calls[Phase.WAITING] == pytest.approx(3.0)


async def test_destinations_are_told_by_how_they_fail(resources: Resources) -> None:
    breakers = resources.breakers
    for _ in range(5):
        await breakers.failed("a tenant https://dead.example.com:443", "timeout", probe=False)
    await breakers.failed("a tenant https://shaky.example.com:443", "503", probe=False)
    await breakers.failed("a tenant https://well.example.com:443", "503", probe=False)
    await breakers.succeeded("a tenant https://well.example.com:443")
    signs = await read(resources)
    assert (signs.open_destinations, signs.failing_destinations) == (1, 1)


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis with the users of the README, whose password is their name."""
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        for grant in _GRANT.finditer((ROOT / "README.md").read_text()):
            rules = grant["rules"].replace("\\\n", " ").split()
            ask(server.port, "ACL", "SETUSER", grant["name"], "on", f">{grant['name']}", *rules)
        yield server


@pytest.fixture
async def guarded(guarded_redis: EmbeddedRedis, make_settings: MakeSettings) -> AsyncIterator[Resources]:
    def url(user: str) -> str:
        return guarded_redis.url.replace("redis://", f"redis://{user}:{quote(user)}@")

    async with open_resources(make_settings(redis_url=url("ledger"), queue_redis_url=url("queue"))) as opened:
        yield opened


async def test_the_readmes_users_may_read_them(guarded: Resources) -> None:
    desk = await follow(guarded, "OUT-1", 3)
    await guarded.ledger.ping()
    assert (await read(guarded)).live_calls[Phase.RINGING] == 1.0
    assert (await guarded.ledger.health()).memory_bytes > 0
    queue = QueueVitalSigns(guarded.queue)
    await queue.ping()
    desk.resources.poll_doorbell.ring(desk.partition.number)
    await desk.resources.poll_doorbell.aclose()
    assert (await queue.read()).depths == {"poll": 1, "deliver": 0}
