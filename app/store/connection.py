"""The connection to the ledger: retries, the scripts, and foreign errors translated once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio.cluster import RedisCluster
from redis.backoff import ExponentialBackoff

from app.domain.errors import RingbackError
from app.redis.connections import MasterIsReplica, open_redis
from app.redis.health import RedisHealth, health_of, is_unpersisted, may_evict
from app.redis.refusals import RetryUnlessRefused, cause_of, refusal_of
from app.store import keys
from app.store.clock import StoreClock
from app.store.gathering import Gathering

# Connecting is tried again for 0.7 s (0.1, 0.2, 0.4), so that a Redis that restarts is not noticed; so is a
# command whose connection is lost, which may take three times as long. Whoever asked is told after that, and
# the ledger's state says what is still to do.
_RETRIES = 3
_RETRY_BASE_SECONDS = 0.05
_LAST_RETRY_SECONDS = 0.4
_PASSING = (redis_errors.ConnectionError, redis_errors.TimeoutError, redis_errors.BusyLoadingError, OSError)
# Where the nodes of a cluster tell times that are further apart, leases are noticeably shorter than they should be.
_MOST_APART_SECONDS = 1.0
_SOCKET_TIMEOUT_SECONDS = 5.0
_HEALTH_CHECK_SECONDS = 30
_MAX_CONNECTIONS = 100


class StoreUnavailable(RingbackError):
    """Redis does not answer, is full, or refuses writes. Nothing was half written."""


class StoreTakesNoWrites(StoreUnavailable):
    """Redis answers and can be read, but is full, read-only, or cannot keep what it is told. Nothing was written."""


class PartlyWritten(StoreUnavailable):
    """Redis took some of what belongs together and refused the rest: done again, the rest is done too."""


class StoreRefuses(StoreUnavailable):
    """Redis is there and will have nothing of us: the settings are wrong, or what it grants is."""


class WrongPartitions(RingbackError):
    """`RINGBACK_PARTITIONS` is not the number that this installation was begun with."""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script's name, and the keys and arguments to run it with."""

    script: str
    names: Sequence[str]
    arguments: Sequence[Any]

    def written(self) -> tuple[Any, ...]:
        """Return what follows the script in a command."""
        return len(self.names), *self.names, *self.arguments


@dataclass(frozen=True, slots=True)
class _Script:
    """A script, and the name under which Redis keeps it."""

    source: bytes
    sha: str


@dataclass(frozen=True, slots=True)
class Master:
    """A node that takes writes, by a name that is empty for the only one, and the options that send a command there."""

    name: str
    options: Mapping[str, Any]


class Ledger:
    """An open connection to the ledger with its scripts and its clock.

    `redis` is a client of one Redis, of the master that Sentinel names, or of a cluster, with what all three have:
    single commands of one key, and pipelines of them without a transaction, whatever partitions their keys belong to.
    """

    def __init__(self, url: str) -> None:
        self.redis = open_redis(
            url,
            retry=RetryUnlessRefused(ExponentialBackoff(_LAST_RETRY_SECONDS, _RETRY_BASE_SECONDS), _RETRIES),
            # A refused connection is an OSError until redis-py has given up on it.
            retry_on_error=list(_PASSING),
            socket_timeout=_SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=_SOCKET_TIMEOUT_SECONDS,
            health_check_interval=_HEALTH_CHECK_SECONDS,
            max_connections=_MAX_CONNECTIONS,
            timeout=_SOCKET_TIMEOUT_SECONDS,
        )
        self.clock = StoreClock()
        self._scripts: dict[str, _Script] = {}
        self._gathering: Gathering[ScriptCall, Any] = Gathering(self._run_gathered)

    async def run(self, script: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run `lua/<script>.lua`; raises `StoreUnavailable` when it could not run."""
        async with translated_errors():
            return await self._run(ScriptCall(script, names, arguments))

    async def run_soon(self, script: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Do the same in one round trip with what others run at this moment: for what many requests do at once."""
        return await self._gathering.submit(ScriptCall(script, names, arguments))

    async def run_each(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run several scripts in one go, and return what each returned.

        Raises `StoreUnavailable` when one could not run; others may have run then. Where Redis takes no writes that is
        `PartlyWritten`, and `StoreTakesNoWrites` when none of them has run.
        """
        async with translated_errors():
            answers = await self._run_all(calls)
        errors = [_translated(one) for one in answers if isinstance(one, Exception)]
        if len(errors) < len(answers) and any(isinstance(one, StoreTakesNoWrites) for one in errors):
            raise PartlyWritten(str(errors[0])) from errors[0]
        if errors:
            raise errors[0]
        return answers

    async def _run_gathered(self, calls: Sequence[ScriptCall]) -> list[Any]:
        async with translated_errors():
            answers = await self._run_all(calls)
        return [_translated(one) if isinstance(one, Exception) else one for one in answers]

    async def _run(self, call: ScriptCall) -> Any:
        script = self._script(call.script)
        try:
            return await self.redis.execute_command("EVALSHA", script.sha, *call.written())
        except redis_errors.NoScriptError:
            # EVAL keeps the script where it ran.
            return await self.redis.execute_command("EVAL", script.source, *call.written())

    async def _run_all(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Return what each call returned, or the error with which Redis answered it."""
        pipe = self.redis.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command("EVALSHA", self._script(call.script).sha, *call.written())
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        for place, call in enumerate(calls):
            if isinstance(answers[place], redis_errors.NoScriptError):
                try:
                    answers[place] = await self._run(call)
                except (redis_errors.RedisError, redis_errors.RedisClusterException) as error:
                    answers[place] = error
        return answers

    def _script(self, name: str) -> _Script:
        if name not in self._scripts:
            source = files("app.store").joinpath("lua", f"{name}.lua").read_bytes()
            self._scripts[name] = _Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())
        return self._scripts[name]

    def tell_time(self, redis_ms: int, name: str) -> None:
        """Set the clock by what a script run with the key `name` has just returned, in Unix milliseconds."""
        self.clock.set(redis_ms, self._node_of(name))

    def _node_of(self, name: str) -> str:
        """Return the node of a cluster that a key belongs to, as it is known at the moment."""
        if not isinstance(self.redis, RedisCluster):
            return ""
        slot = self.redis.keyslot(name)
        return str(self.redis.nodes_manager.get_node_from_slot(slot).name)

    async def ping(self) -> int:
        """Ask whether the whole ledger answers, and set the clock by it; raises `StoreUnavailable`.

        Returns the Unix milliseconds that every master's clock has reached.
        """
        told: dict[str, int] = {
            node: seconds * 1000 + us // 1000 for node, (seconds, us) in (await self._ask_all("TIME")).items()
        }
        for node, milliseconds in told.items():
            self.clock.set(milliseconds, node)
        return min(told.values())

    async def masters(self) -> list[Master]:
        """Return the nodes that take writes: all of a cluster's, or the only one."""
        async with translated_errors():
            if not isinstance(self.redis, RedisCluster):
                return [Master("", {})]
            await self.redis.initialize()
            return [Master(node.name, {"target_nodes": node}) for node in self.redis.get_primaries()]

    async def walk(self, pattern: str, kind: str, count: int) -> AsyncIterator[list[bytes]]:
        """Walk all keys of a pattern and a type, master by master, about `count` looked at in each step.

        What was there all the time is told of at least once. A master that was restarted or replaced in between is
        walked anew: where the walk was means nothing to another process.
        """
        options = ("MATCH", pattern, "COUNT", count, "TYPE", kind)
        for master in await self.masters():
            run_before = ""
            while run_before != (run := await self._run_id(master)):
                run_before = run
                cursor, names = await self._step(master, 0, options)
                yield names
                while cursor:
                    cursor, names = await self._step(master, cursor, options)
                    yield names

    async def _step(self, master: Master, cursor: int, options: Sequence[Any]) -> tuple[int, list[bytes]]:
        async with translated_errors():
            place, names = await self.redis.execute_command("SCAN", cursor, *options, **master.options)
        # A cluster's client tells the place on each node that it asked, which is one.
        return (place if isinstance(place, int) else place[master.name]), names

    async def _run_id(self, master: Master) -> str:
        async with translated_errors():
            info = await self.redis.info("server", **master.options)
        return str(info["run_id"])

    async def _ask_all(self, *command: str) -> dict[str, Any]:
        """Ask the same of all masters; returns the answers by their names."""
        masters = await self.masters()
        async with translated_errors():
            answers = await asyncio.gather(*(self.redis.execute_command(*command, **one.options) for one in masters))
        return {master.name: answer for master, answer in zip(masters, answers, strict=True)}

    async def check_partitions(self, count: int) -> None:
        """Refuse to work with another number of partitions than before: calls would not be found any more.

        Nothing is written where the number is known: a process may start beside a Redis that is full.
        """
        async with translated_errors():
            if not (known := await self.redis.hget(keys.INSTALLATION, "partitions")):
                await self.redis.hsetnx(keys.INSTALLATION, "partitions", str(count))
                known = await self.redis.hget(keys.INSTALLATION, "partitions")
            begun_with = int(known or count)
        if begun_with != count:
            raise WrongPartitions(
                f"RINGBACK_PARTITIONS is {count}, but this installation was begun with {begun_with}: set it back.",
            )

    async def durability_warnings(self) -> list[str]:
        """Return what about this Redis could lose data, as sentences for the operator."""
        # All of it in one question, as Redis 6.2 takes one section at a time.
        warnings = [
            f"{node + ': ' if node else ''}{warning}"
            for node, info in (await self._ask_all("INFO")).items()
            for warning in _durability_warnings(info)
        ]
        times = [seconds + micros / 1_000_000 for seconds, micros in (await self._ask_all("TIME")).values()]
        if (apart := max(times) - min(times)) > _MOST_APART_SECONDS:
            warnings.append(f"The clocks of the cluster's nodes are {apart:.1f} s apart: set them by NTP.")
        return warnings

    async def health(self) -> RedisHealth:
        """Return how the masters are doing, all together; raises `StoreUnavailable`."""
        return health_of((await self._ask_all("INFO")).values())

    async def aclose(self) -> None:
        await self.redis.aclose()


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Turn what Redis may fail with into `StoreUnavailable`."""
    try:
        yield
    # The second is what a cluster's client says when no node answers; it is none of redis-py's other errors.
    except (redis_errors.RedisError, redis_errors.RedisClusterException, OSError) as error:
        raise _translated(error) from error


def _durability_warnings(info: Mapping[str, Any]) -> list[str]:
    warnings = []
    if may_evict(info):
        policy = info["maxmemory_policy"]
        warnings.append(f"Redis may evict keys (maxmemory-policy {policy}): set it to noeviction, or calls get lost.")
    if is_unpersisted(info):
        warnings.append("Redis has no append-only file: set appendonly yes, or a restart forgets every call.")
    return warnings


def _translated(error: Exception) -> StoreUnavailable:
    if refusal := refusal_of(error):
        return StoreRefuses(refusal)
    # Redis 6 tells of what happens inside a script in the words of the script's error.
    if isinstance(error, redis_errors.OutOfMemoryError) or "OOM" in str(error):
        return StoreTakesNoWrites("Redis is full.")
    if isinstance(error, MasterIsReplica):
        return StoreTakesNoWrites("Redis is read-only.")
    if "NOREPLICAS" in str(error):
        return StoreTakesNoWrites("Redis has too few replicas to write.")
    if "MISCONF" in str(error):
        return StoreTakesNoWrites("Redis cannot write to its disk.")
    return StoreUnavailable(f"Redis does not answer as it should ({cause_of(error)}).")
