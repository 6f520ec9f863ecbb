"""A queue client that outlives its Redis.

arq's worker ends when a command of its main loop fails. A worker is handed this client instead: a command that
fails because Redis is away, loading, full or read-only is tried again until it works, so that the worker waits
and goes on. arq's transactions (WATCH, reads, MULTI, EXEC) cannot simply be repeated; one that loses its
connection ends like one that lost its race, with `WatchError`, which arq takes for "somebody else was faster".
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from arq.connections import ArqRedis
from arq.jobs import Job
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.queue.doorbell import deserialize_job, heard_by_all, queue_pool, serialize_job
from app.redis.refusals import cause_of, code_of, refusal_of

Answer = TypeVar("Answer")

_PAUSE_SECONDS = 0.25
# So that it is noticed within two of these that Redis hangs, which is no standstill of the worker's own.
_SOCKET_SECONDS = 3.0
# What makes arq's main loop look for jobs. It stops looking while every job that may run at once is running.
_LOOK = "ZRANGEBYSCORE"
_SAY_EVERY_SECONDS = 10.0
_LAST_COMMAND_SECONDS = 1.0
# Of a tick that nobody has heard: others follow each second.
_LIFETIME_SECONDS = 60
_PASSING = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError, OSError)
# Server errors that redis-py has no class for: no disk for the append-only file, no replica, a failover, a script that
# does not end; and those that it has one for, where they are why a transaction was given up.
_PASSING_CODES = frozenset(
    {"MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "TRYAGAIN", "BUSY", "OOM", "READONLY"}
)

log = logging.getLogger(__name__)


def _passes(error: Exception) -> bool:
    # Who is refused for good is ended by the one who looks for that (`refusal_of_queue`), and in one line.
    return (
        isinstance(error, _PASSING)
        or (isinstance(error, ResponseError) and code_of(error) in _PASSING_CODES)
        or bool(refusal_of(error))
    )


class SteadyQueue(ArqRedis):
    """An arq client for a worker's main loop.

    `last_answer` is the monotonic time of Redis' last answer, `last_sign` that of the loop's last sign of life: that it
    looked for jobs, or that Redis was asked in vain. A Redis that is away leaves the loop alive.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            queue_pool(url, _SOCKET_SECONDS), job_serializer=serialize_job, job_deserializer=deserialize_job
        )
        self.last_answer = self.last_sign = time.monotonic()
        self._last_said = -_SAY_EVERY_SECONDS
        self._gives_up_at: float | None = None
        self._trials: set[asyncio.Timeout] = set()
        # One that does not listen takes no jobs any more, and leaves them to others.
        self.listens = True

    def give_up_after(self, seconds: float) -> None:
        """Wait for Redis no longer than that, from now on: the worker ends. What is given up has no answer."""
        self._gives_up_at = asyncio.get_running_loop().time() + seconds
        for trial in self._trials:
            trial.reschedule(self._gives_up_at)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command until it works.

        DEL is tried once and may fail: arq sends it only when it shuts down, and would neither drain nor end in
        good order while Redis is away.
        """
        run: Any = super().execute_command
        if args[0] != "DEL":
            if args[0] == _LOOK:
                self.last_sign = time.monotonic()
                if not self.listens:
                    return []
            # arq goes through what a look has found.
            return await self.until_it_works(lambda: run(*args, **options), [] if args[0] == _LOOK else None)
        try:
            async with asyncio.timeout(_LAST_COMMAND_SECONDS):
                return await run(*args, **options)
        except (RedisError, OSError) as error:
            if not _passes(error):
                raise
            return 0

    async def enqueue_job(self, function: str, *args: Any, **options: Any) -> Job | None:
        """Enqueue a job that is heard at once, whatever the clocks of other machines say; also one of arq's own ticks.

        arq defers a tick by two of its polls at most.
        """
        # By itself arq would keep it for a day from then on when it is due, which is over.
        return await super().enqueue_job(
            function, *args, **{"_expires": _LIFETIME_SECONDS, **options, "_defer_until": heard_by_all()}
        )

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "SteadyPipeline":
        pipeline = SteadyPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.queue = self
        return pipeline

    async def until_it_works(self, run: Callable[[], Awaitable[Answer]], given_up: Answer) -> Answer:
        """Repeat what fails because Redis is away for a while; other errors are raised.

        Returns `given_up` where the worker ends and cannot wait for Redis any longer.
        """
        try:
            async with asyncio.timeout_at(self._gives_up_at) as trial:
                self._trials.add(trial)
                return await self._until_it_works(run)
        except TimeoutError:
            return given_up
        finally:
            self._trials.discard(trial)

    async def _until_it_works(self, run: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                answer = await run()
            except (RedisError, OSError) as error:
                if not _passes(error):
                    raise
                self.last_sign = time.monotonic()
                self.say(error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.last_answer = time.monotonic()
                return answer

    def say(self, error: Exception) -> None:
        """Tell the operator, now and then, that Redis was asked in vain."""
        if time.monotonic() - self._last_said > _SAY_EVERY_SECONDS:
            self._last_said = time.monotonic()
            log.warning("the queue's Redis is away, waiting for it: %s", cause_of(error))


class SteadyPipeline(Pipeline):
    """arq's transactions over a `SteadyQueue`."""

    # redis-py's own methods are called through Any: they have no types.
    queue: SteadyQueue
    lost = False

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Run WATCH, or a read behind it; remember when the connection that watched is lost."""
        run: Any = super().immediate_execute_command

        async def once() -> Any:
            try:
                answer = await run(*args, **options)
            except WatchError:
                self.lost = True
                answer = await run(*args, **options)
            # Only a pipeline that watches reads at once; any other would gather the reads that follow.
            self.watching = self.watching or self.lost
            return answer

        return await self.queue.until_it_works(once, None)

    async def reset(self) -> None:
        """End watching; a connection that cannot be told so is closed, which ends it too."""
        reset: Any = super().reset
        try:
            await reset()
        except (RedisError, OSError):
            self.watching = False
            if self.connection:
                await self.connection.disconnect(nowait=True)
            await reset()

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the transaction: until it works, or once and as a lost race when it had watched a key."""
        run: Callable[[bool], Awaitable[list[Any]]] = super().execute
        if self.lost:
            await self.reset()
            self.lost = False
            raise WatchError("The connection that watched was lost.")
        if self.explicit_transaction:
            try:
                return await run(raise_on_error)
            except (RedisError, OSError) as error:
                if _passes(error):
                    self.queue.say(error)
                    raise WatchError("Redis went away during a transaction.") from error
                raise
        commands = list(self.command_stack)

        async def once() -> list[Any]:
            # `execute` empties the pipeline even when it fails.
            self.command_stack = list(commands)
            return await run(raise_on_error)

        return await self.queue.until_it_works(once, [None] * len(commands))
