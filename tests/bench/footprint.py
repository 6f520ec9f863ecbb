"""What a call costs in Redis: bytes for each live call with one subscription, and for each that has ended.

Calls go through the real stores as through the API and the workers, only without HTTP: registered, polled up to
in-progress with each event delivered and its attempt logged, polled to the end and delivered. Every SID, callback
address and piece of metadata is another, so that nothing is shared that customers would not share. SIDs have the
form of the vendor's example, a UUID with its hyphens.

A call's bytes are what `MEMORY STATS` has allocated beyond an empty Redis with the same scripts and connections,
without what the connections hold at that moment. By kind of key, `MEMORY USAGE` of a sample tells what the keys
themselves are; what remains are the tables of keys and of lifetimes.
"""

import asyncio
import random
import statistics
import tempfile
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from app.dev.embedded_redis import EmbeddedRedis
from app.resources import Resources, open_resources
from app.settings import load_settings
from app.store.subscriptions import NewSubscription
from tests.bench.filling import advance, deliver, follow, subscription
from tests.builders import LIFE
from tests.conftest import ENCRYPTION_KEY
from tests.store.making import TENANT

_CALLS = 20_000
_WARM_CALLS = 100
_RUNS = 3
_SAMPLED = 500
_SCANNED = 1000
_SETTLE_SECONDS = 0.2
_NOTED, _IN_PROGRESS, _ENDED = "before its first poll", "live, in progress", "ended, with its attempts"
# The letters before an id, for which see keys.py; other names are words.
_KINDS = {"w": "watch", "r": "registrations", "s": "subscription", "l": "log", "c": "call"}
_LONGEST_NAME = len("outbox")
_AIMS = {_IN_PROGRESS: 2048, _ENDED: 1536}


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of Redis for each call, in all and by kind of key; `tables` are those of keys and of lifetimes."""

    stage: str
    calls: int
    bytes_each: float
    keys_each: float
    tables: float
    kinds: dict[str, float]


def report() -> list[dict[str, Any]]:
    """Measure, print, and return the rows."""
    rows = [row for seed in range(_RUNS) for row in asyncio.run(measure(_CALLS, seed))]
    click.echo(f"Redis for each of {_CALLS:,} calls with one subscription, bytes; median of {_RUNS} runs")
    for stage in (_NOTED, _IN_PROGRESS, _ENDED):
        _print([row for row in rows if row.stage == stage])
    return [asdict(row) for row in rows]


def _print(runs: list[Footprint]) -> None:
    stage = runs[0].stage
    low, high = (choose(run.bytes_each for run in runs) for choose in (min, max))
    aim = f"   (aim: under {_AIMS[stage]:,})" if stage in _AIMS else ""
    middle = statistics.median(run.bytes_each for run in runs)
    click.echo(f"{stage:<26} {middle:>7,.0f}   {low:,.0f}..{high:,.0f}, {runs[0].keys_each:.2f} keys{aim}")
    parts = {**runs[0].kinds, "tables of keys and lifetimes": runs[0].tables}
    for kind, size in sorted(parts.items(), key=lambda part: -part[1]):
        click.echo(f"  {kind:<30} {size:>7,.0f}")


async def measure(calls: int, seed: int) -> list[Footprint]:
    """Let so many calls live and end."""
    chance = random.Random(seed)  # noqa: S311 -- a repeatable load
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Its append-only file and the buffers for that are no call's.
        redis = stack.enter_context(EmbeddedRedis(folder, append_only=False))
        settings = load_settings("tools", redis_url=redis.url, encryption_keys=ENCRYPTION_KEY)
        resources = await stack.enter_async_context(open_resources(settings))
        async for _ in _lives(resources, _WARM_CALLS, _new(chance)):
            pass
        await resources.ledger.redis.flushdb()
        empty = await _allocated(resources)
        return [await _look(resources, stage, calls, empty) async for stage in _lives(resources, calls, _new(chance))]


async def _lives(resources: Resources, calls: int, new: Callable[[int], NewSubscription]) -> Any:
    """Lead calls through their lives; yields the name of each stage that they have come to."""
    await follow(resources, calls, new)
    yield _NOTED
    for polled in range(1, len(LIFE) + 1):
        if (await advance(resources, LIFE[:polled]), await deliver(resources)) != (calls, calls):
            raise AssertionError("a call was not polled, or its event not delivered")
        if polled >= len(LIFE) - 1:
            yield _ENDED if polled == len(LIFE) else _IN_PROGRESS


def _new(chance: random.Random) -> Callable[[int], NewSubscription]:
    def new(number: int) -> NewSubscription:
        sid = f"OUT-{uuid.UUID(int=chance.getrandbits(128), version=4)}"
        url = f"https://crm.example.com/integrations/calls/{chance.getrandbits(64):016x}"
        campaign = {"campaign": f"spring-{number % 97}"} if number % 2 else {}
        return subscription(TENANT, sid, url, {"deal": f"{number:06}"} | campaign)

    return new


async def _look(resources: Resources, stage: str, calls: int, empty: int) -> Footprint:
    total = await _allocated(resources) - empty
    keys, kinds = await _kinds(resources)
    each = {kind: size / calls for kind, size in kinds.items()}
    return Footprint(stage, calls, total / calls, keys / calls, (total - sum(kinds.values())) / calls, each)


async def _allocated(resources: Resources) -> int:
    """Return what Redis holds beside its connections, once it has done with making its tables larger."""
    seen: Counter[int] = Counter()
    while True:
        stats: dict[str, Any] = await resources.ledger.redis.execute_command("MEMORY STATS")
        size = int(stats["total.allocated"]) - int(stats["clients.normal"])
        # In steps of a kilobyte: the server's own small change.
        seen[size // 1024] += 1
        if seen[size // 1024] > 2:
            return size
        await asyncio.sleep(_SETTLE_SECONDS)


async def _kinds(resources: Resources) -> tuple[int, dict[str, float]]:
    """Return how many keys there are, and how many bytes those of each kind take."""
    names = defaultdict(list)
    async for key in resources.ledger.redis.scan_iter(count=_SCANNED):
        name = key.decode().split(":")[2]
        names[_KINDS.get(name[0], name) if len(name) > _LONGEST_NAME else name].append(key)
    sizes = {}
    for kind, keys in names.items():
        pipe = resources.ledger.redis.pipeline(transaction=False)
        # Those that SCAN names first are a sample: it goes by hashes.
        for key in keys[:_SAMPLED]:
            pipe.memory_usage(key, samples=0)
        sizes[kind] = statistics.mean(await pipe.execute()) * len(keys)
    return sum(len(keys) for keys in names.values()), sizes
