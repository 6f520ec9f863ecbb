"""Processes killed, ended and cut off from Redis in the middle of their work: nothing is lost, nothing is mixed up."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, new_path, running
from tests.judge import Subscriber
from tests.processes import Process, start_worker
from tests.topologies import ask

# What other tests wait for goes on meanwhile.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("crowd", "troubled"),
]

CALLS = 40
# Of some 160 transitions with three subscribers each: in the middle of the run.
MIDDLE = 150
# arq waits for its jobs, then the worker for what it has begun, which ends within the timeout of one request.
SHUTDOWN_SECONDS = 30.0
HELD_UP = "the queue's Redis is away, waiting for it: OutOfMemoryError"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that is treated roughly; short timeouts make the leases of the dead short."""
    async with running(
        tmp_path_factory.mktemp("crashes"),
        simulator=SimulatorSettings(seed=3, time_lapse=45, error_share=0.02, slow_share=0),
        upstream_timeout_seconds=2,
        delivery_timeout_seconds=2,
        delivery_retry_seconds="0.5,0.5,0.5,0.5",
    ) as opened:
        yield opened


async def in_the_middle_of_a_run(stack: Stack) -> list[Subscriber]:
    """Place calls, subscribe to them, and return in the middle of their lives."""
    before = len(stack.receiver.receipts)
    subscribers = await stack.subscribe_all(await stack.place(CALLS), each=3)
    await stack.receiver.until(lambda: len(stack.receiver.receipts) >= before + MIDDLE, "the middle of the run")
    return subscribers


async def check(stack: Stack, subscribers: Sequence[Subscriber], *, crashed: bool) -> None:
    await stack.until_over(subscribers)
    judgement = await stack.judge(subscribers)
    assert judgement.faults(crashed=crashed) == []
    assert judgement.delivered_once + judgement.delivered_more == judgement.expected == 3 * judgement.transitions


def limit_memory(stack: Stack, limit: int) -> None:
    """Give every Redis a limit in bytes, 0 for none."""
    for server in stack.redis.servers:
        ask(server.port, "CONFIG", "SET", "maxmemory", limit)


async def test_killed_workers_lose_nothing(stack: Stack) -> None:
    subscribers = await in_the_middle_of_a_run(stack)
    for process in (stack.poll_worker, stack.deliver_worker):
        process.kill()
        assert await process.ended() == -signal.SIGKILL
    await asyncio.gather(start_worker(stack.poll_worker), start_worker(stack.deliver_worker))
    await check(stack, subscribers, crashed=True)


async def test_a_full_redis_holds_everything_up_and_loses_and_repeats_nothing(stack: Stack) -> None:
    subscribers = await in_the_middle_of_a_run(stack)
    [late] = await stack.place(1)
    refused = Subscriber(new_path(), late)
    wanted = {"call_sid": late, "callback_url": stack.receiver_url + refused.path}
    limit_memory(stack, 1)
    answers = [await stack.api.post("/v1/subscriptions", json=wanted) for _ in range(2)]
    for process in (stack.poll_worker, stack.deliver_worker):
        await process.until_it_says(HELD_UP)
    known = await stack.api.get("/v1/subscriptions", params={"call_sid": late})
    limit_memory(stack, 0)

    assert [one.status_code for one in answers] == [503, 503]
    assert known.json()["items"] == []
    assert (await stack.api.post("/v1/subscriptions", json=wanted)).status_code == 201
    subscribers += [refused, *await stack.subscribe_all([late], each=2)]
    # What was in hand when the limit came was recorded all the same, so nothing was done again.
    await check(stack, subscribers, crashed=False)


async def test_workers_go_on_by_themselves_after_redis_was_killed(stack: Stack) -> None:
    before = (stack.poll_worker.pid, stack.deliver_worker.pid)
    subscribers = await in_the_middle_of_a_run(stack)
    stack.redis.kill()
    for process in (stack.poll_worker, stack.deliver_worker):
        await process.until_it_says("the queue's Redis is away")
    stack.redis.start()
    await check(stack, subscribers, crashed=True)
    assert (stack.poll_worker.pid, stack.deliver_worker.pid) == before
    assert stack.poll_worker.runs
    assert stack.deliver_worker.runs


async def test_workers_that_are_told_to_end_finish_what_they_have_begun(stack: Stack) -> None:
    subscribers = await in_the_middle_of_a_run(stack)

    async def ends(process: Process) -> int:
        return await process.terminate(SHUTDOWN_SECONDS)

    assert list(await asyncio.gather(ends(stack.poll_worker), ends(stack.deliver_worker))) == [0, 0]
    for process in (stack.poll_worker, stack.deliver_worker):
        assert "worker stopped" in process.output
        assert "Traceback" not in process.output
    await asyncio.gather(start_worker(stack.poll_worker), start_worker(stack.deliver_worker))
    # Nothing is done twice: what was under way was recorded, and the rest was not begun.
    await check(stack, subscribers, crashed=False)
