"""Another Redis takes the place of the master: as planned, or because the master is dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

from redis.exceptions import ReadOnlyError

from app.dev.embedded_redis import HOST, EmbeddedRedis
from tests.faults.breaking_redis import must_fail, without_writes
from tests.faults.effect import something
from tests.faults.fault import Fault
from tests.faults.stage import Stage
from tests.peers import eventually
from tests.topologies import ask

_NUMBERS = count(1)
# Until a master that was to be replaced takes writes again, its replica being away.
_SWAP_MILLISECONDS = 10_000
# While an address still leads to the old one.
_TO_OLD_ONE_SECONDS = 3.0
# More than replication, and what looks at it, ask for in a few seconds.
_SOME_COMMANDS = 200


@asynccontextmanager
async def _replica_of(master: EmbeddedRedis) -> AsyncIterator[EmbeddedRedis]:
    """Start a replica and return once it is in step; it ends with the block."""
    arguments = ["--replicaof", HOST, str(master.port), "--repl-diskless-sync-delay", "0"]
    folder = master.directory.parent / f"replica-{next(_NUMBERS)}"
    replica = EmbeddedRedis(folder, appendfsync="always", extra_arguments=arguments)
    replica.start()
    try:
        await _is_in_step(replica, master)
        yield replica
    finally:
        replica.kill()


async def _is_in_step(replica: EmbeddedRedis, master: EmbeddedRedis) -> None:
    """Wait until a replica has all of its master, also in its own append-only file."""

    async def holds() -> bool:
        known = _said(replica, "replication")
        return (
            known.get("master_link_status") == "up"
            and known["master_port"] == str(master.port)
            and known["slave_repl_offset"] == _said(master, "replication")["master_repl_offset"]
            and _said(replica, "persistence")["aof_rewrite_in_progress"] == "0"
        )

    await eventually(holds, "a replica that is in step")


def _said(redis: EmbeddedRedis, section: str) -> dict[str, str]:
    lines = ask(redis.port, "INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _commands(redis: EmbeddedRedis) -> int:
    return int(_said(redis, "stats")["total_commands_processed"])


async def _swap(master: EmbeddedRedis, replica: EmbeddedRedis) -> None:
    """Let them change places: the master takes no writes until the replica has all, and is then its replica."""
    ask(master.port, "FAILOVER", "TO", HOST, replica.port, "TIMEOUT", _SWAP_MILLISECONDS)

    async def holds() -> bool:
        return _said(master, "replication")["role"] == "slave" and _said(replica, "replication")["role"] == "master"

    await eventually(holds, "the two have changed places")
    await _is_in_step(master, replica)


def _point_all_to(stage: Stage, redis: EmbeddedRedis) -> None:
    """What is open stays open."""
    for one in stage.members:
        one.to_redis.lead_to(redis.port)


@asynccontextmanager
async def _planned(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """The master becomes a replica at once, and the addresses lead to the new one seconds later; at the end, back."""
    async with _replica_of(stage.redis) as other:
        try:
            await _swap(stage.redis, other)
            await asyncio.sleep(_TO_OLD_ONE_SECONDS)
            await must_fail(stage, ReadOnlyError)
            # Those who are told READONLY have to find their way themselves.
            _point_all_to(stage, other)
            before = _commands(other)
            yield
            something(_commands(other) > before + _SOME_COMMANDS, "nobody has found the new master")
        finally:
            if _said(stage.redis, "replication")["role"] == "slave":
                await _swap(other, stage.redis)
            _point_all_to(stage, stage.redis)


@asynccontextmanager
async def _master_dies(stage: Stage, _chance: Random) -> AsyncIterator[None]:
    """What was acknowledged is in the replica: writes wait until it is in step, and the master dies then.

    The other order loses what the replica had not got, with any Redis: this is no promise of the service's.
    """
    async with _replica_of(stage.redis) as other:
        try:
            async with without_writes(stage):
                await _is_in_step(other, stage.redis)
                stage.redis.kill()
            await asyncio.sleep(_TO_OLD_ONE_SECONDS)
            ask(other.port, "REPLICAOF", "NO", "ONE")
            _point_all_to(stage, other)
            before = _said(other, "stats")["total_commands_processed"]
            yield
            something(
                int(_said(other, "stats")["total_commands_processed"]) > int(before) + 10, "nobody asked the new one"
            )
        finally:
            await _bring_back(stage, other)


async def _bring_back(stage: Stage, other: EmbeddedRedis) -> None:
    """Let the old master take its place again with what the other has learned meanwhile."""
    if stage.redis.pid is None:
        ask(other.port, "REPLICAOF", "NO", "ONE")
        stage.redis.start()
        ask(stage.redis.port, "REPLICAOF", HOST, other.port)
        await _is_in_step(stage.redis, other)
        await _swap(other, stage.redis)
    _point_all_to(stage, stage.redis)


FAULTS = (
    Fault("another Redis becomes the master, and back", "redis", _planned, 8),
    Fault("the master of Redis dies and its replica takes its place", "redis", _master_dies, 6),
)
