"""Poll workers as they are wired, without arq: many calls, a real ledger, an upstream that notes when it is asked."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import mean

import pytest
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from app.domain.upstream_health import FAILURES_IN_A_ROW, FIRST_PAUSE_SECONDS, FIRST_RATE
from app.resources import Resources, open_resources
from app.store.keys import all_partitions
from tests.builders import CONNECTOR, LIFE, Pairs, make_body, make_key
from tests.conftest import MakeSettings
from tests.peers import Reply, Upstream, eventually
from tests.servers import serve
from tests.store.making import register
from workers import poll

_LOOKS_EACH_SECOND = 5


class Watchful(Upstream):
    """An upstream that notes when it was asked about which call; while it is `down`, it answers 503."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, str]] = []
        self.down = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call_sid = scope.get("path", "").rpartition("/")[2]
        if scope["type"] == "http":
            self.asked.append((time.time(), call_sid))
        if self.down:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().__call__(scope, receive, send)

    async def until_asked(self, count: int) -> None:
        async def is_so() -> bool:
            return len(self.asked) >= count

        await eventually(is_so, f"{count} polls")

    async def is_spared(self) -> bool:
        """Whether the last two polls were further apart than any call's own backoff lets them be."""
        (before, _), (after, _) = self.asked[-2:]
        return after - before > FIRST_PAUSE_SECONDS * 0.7

    def asked_since(self, moment: float) -> list[float]:
        return [at - moment for at, _ in self.asked if at >= moment]


@pytest.fixture
def upstream() -> Watchful:
    return Watchful()


@pytest.fixture
async def base_url(upstream: Watchful) -> AsyncIterator[str]:
    async with serve(upstream) as url:
        yield url


@asynccontextmanager
async def working(*resources: Resources) -> AsyncIterator[None]:
    """Have a worker on each of the resources look again and again."""

    async def keep_looking(one: Resources) -> None:
        async with poll.open_loop(one) as loop:
            try:
                while True:
                    for partition in all_partitions(one.settings.partitions):
                        await loop.look(partition)
                    await asyncio.sleep(1 / _LOOKS_EACH_SECOND)
            finally:
                await loop.drain(5.0)

    workers = [asyncio.create_task(keep_looking(one)) for one in resources]
    try:
        yield
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


@asynccontextmanager
async def opened(
    make_settings: MakeSettings, url: str, workers: int = 1, **more: object
) -> AsyncIterator[list[Resources]]:
    async with AsyncExitStack() as stack:
        settings = make_settings(upstream_base_url=url, **more)
        yield [await stack.enter_async_context(open_resources(settings)) for _ in range(workers)]


async def follow(resources: Resources, upstream: Watchful, sids: Sequence[str], *told: Pairs) -> None:
    """Register calls of which the upstream tells one history after the other, the last for ever."""
    for sid in sids:
        *replies, last = (Reply(200, make_body(key=make_key(call_sid=sid), pairs=pairs)) for pairs in told)
        upstream.script(sid, *replies, then=last)
    await asyncio.gather(*(register(resources, call_sid=sid) for sid in sids))


async def is_healthy() -> bool:
    return shown("ringback_upstream_state", state="healthy") == 1


async def nothing_is_due(resources: Resources) -> bool:
    partitions = all_partitions(resources.settings.partitions)
    return sum(await resources.watches.count_due(partitions, 3600.0)) == 0


def most_in_time(moments: Sequence[float], room: Callable[[float], float]) -> bool:
    """Whether never more than `room` had come by any of the moments, which are seconds since the beginning."""
    return all(count <= room(at) for count, at in enumerate(sorted(moments), start=1))


def shown(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_workers_share_a_budget_and_every_call_gets_its_turn(
    make_settings: MakeSettings, upstream: Watchful, base_url: str
) -> None:
    sids = [f"OUT-{number}" for number in range(100)]
    put_off = shown("ringback_polls_put_off_total", reason="budget")
    async with opened(make_settings, base_url, workers=2, upstream_max_rps=30) as workers:
        await follow(workers[0], upstream, sids, LIFE[:2])
        begun_at = time.time()
        async with working(*workers):
            await upstream.until_asked(150)
            assert shown("ringback_upstream_budget_short_seconds", calls="early") > 0.5

    assert most_in_time(upstream.asked_since(begun_at), lambda seconds: 30 * seconds + 3)
    polls = Counter(sid for _, sid in upstream.asked)
    assert polls.keys() == set(sids)
    # Each in its turn: nobody is asked about often before all others were once.
    assert max(polls.values()) <= 5
    assert shown("ringback_polls_put_off_total", reason="budget") > put_off


async def test_calls_in_progress_stretch_while_early_ones_keep_their_pace(
    make_settings: MakeSettings, upstream: Watchful, base_url: str
) -> None:
    early, talking = [f"OUT-e{number}" for number in range(10)], [f"OUT-t{number}" for number in range(60)]
    paces = {"poll_early_seconds": 0.4, "poll_early_max_seconds": 0.4, "poll_in_progress_seconds": 0.4}
    async with opened(
        make_settings, base_url, workers=2, upstream_max_rps=50, poll_in_progress_max_seconds=8.0, **paces
    ) as workers:
        await follow(workers[0], upstream, early, LIFE[:2])
        await follow(workers[0], upstream, talking, LIFE[:4])
        async with working(*workers):
            await upstream.until_asked(450)

    polls = Counter(sid for _, sid in upstream.asked)
    assert mean(polls[sid] for sid in early) > 2 * mean(polls[sid] for sid in talking)
    assert min(polls[sid] for sid in talking) >= 2


async def test_without_a_budget_nothing_is_kept_of_it(
    make_settings: MakeSettings, upstream: Watchful, base_url: str
) -> None:
    async with opened(make_settings, base_url) as [one]:
        await follow(one, upstream, ["OUT-1"], LIFE[:2], LIFE)
        async with working(one):
            await eventually(lambda: nothing_is_due(one), "the end")
        assert not await one.ledger.redis.keys("rb:{up:*")


async def test_an_upstream_that_fails_for_everybody_is_probed_and_then_caught_up_with(
    make_settings: MakeSettings, upstream: Watchful, base_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sids = [f"OUT-{number}" for number in range(200)]
    upstream.down = True
    async with opened(make_settings, base_url) as [one]:
        await follow(one, upstream, sids, LIFE[:3], LIFE)
        async with working(one):
            await upstream.until_asked(FAILURES_IN_A_ROW)
            await eventually(upstream.is_spared, "one probe at a time")
            upstream.down, well_at = False, time.time()
            await eventually(lambda: nothing_is_due(one), "every call's end")
            await eventually(is_healthy, "the worker sees that nobody waits any more")

    assert {upstream.polls[sid] for sid in sids} == {2}
    # The room of a rate that doubles each second, and what went its own way meanwhile.
    assert most_in_time(upstream.asked_since(well_at), lambda seconds: FIRST_RATE * 2**seconds / 0.69 + 10)
    told = [vars(record)["state"] for record in caplog.records if record.name == "workers.politeness"]
    assert told == ["probing", "recovering", "healthy"]
    assert not any(CONNECTOR in str(vars(record)) for record in caplog.records)
