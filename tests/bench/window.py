"""Polls in a window of time, and what they cost the processes that made them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.cpu import cpu_seconds
from tests.bench.stub_process import RunningStub


@dataclass(frozen=True, slots=True)
class Window:
    """Requests in so many seconds, and the CPU-seconds of who asked, of Redis and of the stub."""

    polls: int
    seconds: float
    cpu: float
    redis_cpu: float
    stub_cpu: float
    most_at_once: int

    @property
    def per_cpu_second(self) -> float:
        return self.polls / self.cpu

    @property
    def per_second(self) -> float:
        return self.polls / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the CPU per poll."""
        return self.cpu / self.polls * 1e6

    @property
    def redis_us(self) -> float:
        """The same of Redis."""
        return self.redis_cpu / self.polls * 1e6

    @property
    def share_of_core(self) -> float:
        return self.cpu / self.seconds


async def measure(stub: RunningStub, pids: Sequence[int], redis_pid: int | None, seconds: float) -> Window:
    """Measure whoever polls with the processes `pids` together; raises AssertionError when nobody does."""
    await stub.reset()
    groups = [list(pids), [redis_pid] if redis_pid else [], [stub.pid]]

    async def read() -> list[float]:
        return [(await stub.counters()).gets, time.perf_counter(), *(sum(map(cpu_seconds, group)) for group in groups)]

    before = await read()
    await asyncio.sleep(seconds)
    polls, elapsed, cpu, redis_cpu, stub_cpu = (b - a for a, b in zip(before, await read(), strict=True))
    if not polls:
        raise AssertionError(f"nobody polled within {seconds:g} s")
    return Window(round(polls), elapsed, cpu, redis_cpu, stub_cpu, (await stub.counters()).most_at_once)
