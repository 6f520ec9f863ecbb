"""Ways between two parties that are cut, silent, slow, or lose answers on the way."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from tests.faults.effect import something
from tests.faults.fault import Fault, Happens
from tests.faults.link import Link, Weather
from tests.faults.member import Kind
from tests.faults.stage import Stage

Links = Callable[[Stage, Random], Sequence[Link]]

# For each piece and direction: a way around the world, twice.
_SLOW_SECONDS = 0.4
# A delivery takes longer than its timeout.
_DRIP_SECONDS, _DRIP_BYTES = 0.3, 64
# The first bytes of an answer in Redis' protocol or in HTTP, before anything in it makes sense.
_TORN_AFTER_BYTES = 7
# Some answers come: a client of Redis greets it first, and would never come to ask for anything.
_LOST_SHARE = 0.4
_SECONDS = 6.0
# Longer than a lease, and than the timeouts of everything that waits for Redis.
_SILENT_SECONDS = 9.0
# A socket's timeout of 5 s that had just begun, a lease of 7 s of what was claimed unheard, a tick, and as much again.
_REDIS_HEALS_SECONDS = 25.0
# While all polls fail the upstream is probed, the last pauses being 4 s or 8 s; polls are then let through within 3 s.
_UPSTREAM_HEALS_SECONDS = 25.0
# The schedule's longest step of 5 s, and a breaker's cool-down as long, each with its jitter, and a few tries in turn.
_RECEIVER_HEALS_SECONDS = 25.0


def _to_redis(kind: Kind, *, every: bool) -> Links:
    return lambda stage, chance: [
        one.to_redis for one in (stage.all_of(kind) if every else [stage.one_of(chance, kind)])
    ]


def _to_upstream(*, every: bool) -> Links:
    return lambda stage, chance: [
        one.to_upstream for one in (stage.all_of("poll") if every else [stage.one_of(chance, "poll")])
    ]


def _to_receivers(*, every: bool) -> Links:
    return lambda stage, chance: stage.to_receivers if every else [chance.choice(stage.to_receivers)]


def _under(weather: Weather, links: Links, share: float = 1.0) -> Happens:
    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        async with _harmed(links(stage, chance)) as chosen:
            for link in chosen:
                link.become(weather, torn_after=_TORN_AFTER_BYTES, share=share)
            yield

    return happens


def _slow(links: Links, seconds: float = _SLOW_SECONDS, piece: int = 65536) -> Happens:
    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        async with _harmed(links(stage, chance)) as chosen:
            for link in chosen:
                link.slow_down(seconds, piece)
            yield

    return happens


def _refused(links: Links) -> Happens:
    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for link in links(stage, chance):
                await stack.enter_async_context(link.refusing())
            yield

    return happens


@asynccontextmanager
async def _harmed(links: Sequence[Link]) -> AsyncIterator[Sequence[Link]]:
    """Mend the links at the end; fails when nothing was kept from passing by any of them."""
    before = sum(link.harmed for link in links)
    try:
        yield links
        something(sum(link.harmed for link in links) > before, "nothing was on its way")
    finally:
        for link in links:
            link.mend()


def _on_the_way(whose: str, all_of_them: str, links: Callable[[bool], Links], heals_within: float) -> list[Fault]:
    """Return what can happen to the way of one, and to those of all."""
    return [
        Fault(f"{whose} is cut", "network", _under(Weather.CUT, links(False)), _SECONDS, heals_within),
        Fault(f"{whose} is silent", "network", _under(Weather.SILENT, links(False)), _SILENT_SECONDS, heals_within),
        Fault(f"{all_of_them} are cut", "network", _under(Weather.CUT, links(True)), _SECONDS, heals_within),
        Fault(
            f"{all_of_them} are silent", "network", _under(Weather.SILENT, links(True)), _SILENT_SECONDS, heals_within
        ),
        Fault(f"{all_of_them} are slow", "network", _slow(links(True)), _SECONDS, heals_within),
        Fault(
            f"answers are lost on {all_of_them}",
            "network",
            _under(Weather.DEAF, links(True), _LOST_SHARE),
            _SECONDS,
            heals_within,
        ),
        Fault(
            f"answers are torn on {all_of_them}",
            "network",
            _under(Weather.TORN, links(True), _LOST_SHARE),
            _SECONDS,
            heals_within,
        ),
    ]


def _ways_to_redis(kind: Kind, whose: str, of_all: str) -> list[Fault]:
    return _on_the_way(
        f"the way from {whose} to Redis",
        f"the ways from {of_all} to Redis",
        lambda every: _to_redis(kind, every=every),
        _REDIS_HEALS_SECONDS,
    )


FAULTS = (
    *_ways_to_redis("api", "an API process", "both API processes"),
    *_ways_to_redis("poll", "a poll worker", "both poll workers"),
    *_ways_to_redis("deliver", "a deliver worker", "both deliver workers"),
    *_on_the_way(
        "the way from a poll worker to the upstream",
        "the ways from both poll workers to the upstream",
        lambda every: _to_upstream(every=every),
        _UPSTREAM_HEALS_SECONDS,
    ),
    *_on_the_way(
        "the way to a receiver",
        "the ways to all receivers",
        lambda every: _to_receivers(every=every),
        _RECEIVER_HEALS_SECONDS,
    ),
    Fault(
        "a receiver refuses connections",
        "network",
        _refused(_to_receivers(every=False)),
        _SECONDS,
        _RECEIVER_HEALS_SECONDS,
    ),
    Fault(
        "the upstream refuses connections",
        "network",
        _refused(_to_upstream(every=True)),
        _SECONDS,
        _UPSTREAM_HEALS_SECONDS,
    ),
    Fault(
        "the ways to all receivers drip",
        "network",
        _slow(_to_receivers(every=True), _DRIP_SECONDS, _DRIP_BYTES),
        _SECONDS,
        _RECEIVER_HEALS_SECONDS,
    ),
)
