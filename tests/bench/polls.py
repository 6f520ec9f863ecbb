"""Polls per CPU-second of a poll worker at saturation, beside bare loops on two clients and beside the plain design.

All of them ask the same stub, 100 ms away, for calls that do not change. The worker and the bare loops have 300
connections. httpx's pool looks at every pair of connections for a request, so that it takes many seconds for a wave of
300: it is measured so once and for longer, and each time over 30. The plain design has as many connections as suit it,
and fewer calls, still more than it can poll in time: a longer queue would only cost it.

Everybody takes turns, so that a machine that changes its pace is fair to all; ratios are made within a turn.

What CPU Redis takes for it is told beside: the bare loops need none.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import click
import uvloop
from arq import create_pool
from arq.connections import RedisSettings

from tests.bench.followed import Followed, followed
from tests.bench.lives import answer
from tests.bench.plain_keys import snapshot_key, subscribers_key
from tests.bench.window import Window, measure
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.processes import START_SECONDS, Process, environment

_RUNS = 3
# Twice as many polls a second are due as 300 connections can make.
_CALLS, _PACE_SECONDS = 6000, 1.0
_PLAIN_CALLS = 1000
_WARM_SECONDS, _SECONDS, _WAVES_SECONDS = 3.0, 6.0, 25.0
_WARM_POLLS = 300
_OURS, _AIOHTTP, _HTTPX, _FEW_HTTPX, _PLAIN = (
    "poll worker",
    "bare aiohttp",
    "bare httpx",
    "httpx over 30",
    "plain design",
)
_BARE = {_AIOHTTP: ("aiohttp", "300"), _HTTPX: ("httpx", "300"), _FEW_HTTPX: ("httpx", "30")}
_AIMS: dict[str, float | None] = {_AIOHTTP: 0.8, _HTTPX: None, _FEW_HTTPX: None, _PLAIN: 10.0}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of them did in one turn. Rates are polls; `share_of_core` is 1 when it kept one core busy."""

    client: str
    run: int
    polls: int
    per_cpu_second: float
    per_second: float
    share_of_core: float
    redis_cpu_us_per_poll: float
    most_at_once: int
    recorded_share: float | None = None


def report() -> list[dict[str, Any]]:
    """Measure, print the table, and return the rows."""
    turns = uvloop.run(_measure())
    click.echo(f"Polls at saturation, 100 ms upstream, 300 connections; median of {_RUNS} turns")
    click.echo(f"{'':<14} {'per CPU-second':>14} {'spread':>13} {'per second':>11} {'of a core':>10}", nl=False)
    click.echo(f" {'at once':>8} {'Redis us/poll':>14}")
    for client in (_OURS, *_BARE, _PLAIN):
        _print([turn for turn in turns if turn.client == client])
    for client, aim in _AIMS.items():
        ratios = [
            _turn(turns, _OURS, turn.run).per_cpu_second / turn.per_cpu_second
            for turn in turns
            if turn.client == client
        ]
        told = f" (aim: {aim:g})" if aim else ""
        spread = f"{min(ratios):.2f}..{max(ratios):.2f}"
        click.echo(f"{_OURS} to {client}, per CPU-second: {statistics.median(ratios):.2f}{told}   {spread}")
    recorded = min(turn.recorded_share for turn in turns if turn.recorded_share is not None)
    click.echo(f"polls found in the ledger afterwards: {recorded:.2%} of those that the stub saw")
    return [asdict(turn) for turn in turns]


def _print(turns: list[Turn]) -> None:
    def median(name: str) -> float:
        return float(statistics.median(getattr(turn, name) for turn in turns))

    low, high = (choose(turn.per_cpu_second for turn in turns) for choose in (min, max))
    click.echo(
        f"{turns[0].client:<14} {median('per_cpu_second'):>14,.0f} {f'{low:,.0f}..{high:,.0f}':>13}"
        f" {median('per_second'):>11,.0f} {median('share_of_core'):>10.2f} {median('most_at_once'):>8.0f}"
        f" {median('redis_cpu_us_per_poll'):>14.0f}"
    )


def _turn(turns: list[Turn], client: str, run: int) -> Turn:
    return next(turn for turn in turns if turn.client == client and turn.run == run)


async def _measure() -> list[Turn]:
    turns = []
    async with followed(_CALLS, _PACE_SECONDS) as ours, followed(0, _PACE_SECONDS) as plain:
        await _queue_plain(plain, ours.sids[:_PLAIN_CALLS])
        for run in range(_RUNS):
            turns += [
                await _ours(ours, run),
                *[await _bare(ours, run, client) for client in _BARE if client != _HTTPX or run == 0],
                await _plain(plain, run),
            ]
    return turns


async def _ours(calls: Followed, run: int) -> Turn:
    """Measure a worker, and see whether the ledger has what the stub was asked."""
    await calls.spread()
    asked, recorded = (await calls.stub.counters()).gets, await calls.recorded()
    async with calls.workers() as pids:
        seen = await _warm_window(calls, pids)
    asked, recorded = (await calls.stub.counters()).gets - asked, await calls.recorded() - recorded
    return _made(_OURS, run, seen, recorded / asked)


async def _bare(calls: Followed, run: int, client: str) -> Turn:
    arguments = ["-m", "tests.bench.bare_polls", *_BARE[client], calls.stub.url, calls.sids[0], str(len(calls.sids))]
    async with _running(Process(arguments, environment(), calls.folder / "bare.log"), calls) as pid:
        seconds = _WAVES_SECONDS if client == _HTTPX else _SECONDS
        return _made(client, run, await _warm_window(calls, [pid], seconds))


async def _plain(calls: Followed, run: int) -> Turn:
    arguments = ["-m", "arq", "tests.bench.plain.WorkerSettings"]
    process = Process(arguments, environment(**calls.settings), calls.folder / "plain.log")
    async with _running(process, calls) as pid:
        return _made(_PLAIN, run, await _warm_window(calls, [pid]))


@asynccontextmanager
async def _running(process: Process, calls: Followed) -> AsyncIterator[int]:
    """Run a process that polls, and yield its id once it has done so for each of its connections."""
    asked = (await calls.stub.counters()).gets
    process.start()
    try:
        async with asyncio.timeout(START_SECONDS):
            while (await calls.stub.counters()).gets < asked + _WARM_POLLS:
                if not process.runs:
                    raise AssertionError(process.output)
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        process.kill()


async def _warm_window(calls: Followed, pids: list[int], seconds: float = _SECONDS) -> Window:
    await asyncio.sleep(_WARM_SECONDS)
    return await measure(calls.stub, pids, calls.redis_pid, seconds)


def _made(client: str, run: int, seen: Window, recorded_share: float | None = None) -> Turn:
    return Turn(
        client,
        run,
        seen.polls,
        seen.per_cpu_second,
        seen.per_second,
        seen.share_of_core,
        seen.redis_us,
        seen.most_at_once,
        recorded_share,
    )


async def _queue_plain(calls: Followed, sids: Sequence[str]) -> None:
    """Give the plain design calls that it has polled before, a subscriber for each, and a job for each."""
    async with await create_pool(RedisSettings.from_dsn(calls.redis_url)) as redis:
        for sid in sids:
            kept = answer(ACCOUNT, PROJECT, CONNECTOR, sid, time.time())
            await redis.set(snapshot_key(sid), kept)
            await redis.set(subscribers_key(sid), json.dumps([f"{calls.stub.url}/hook"]))
            await redis.enqueue_job("poll", sid)
