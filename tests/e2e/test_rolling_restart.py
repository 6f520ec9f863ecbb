"""Everything replaced one by one under load, as a Deployment's rolling update does: nothing is lost, nothing repeated.

A new process is started and waited for, then an old one is told to end. Whoever registers meets what a load balancer
shows: processes that are ready, and no longer one that ends. No request is ever repeated.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from app.dev.embedded_redis import free_port
from app.dev.simulator import SimulatorSettings
from app.settings import Settings
from tests.e2e.stack import Stack, is_final, new_path, open_client, running
from tests.judge import Subscriber
from tests.peers import eventually
from tests.processes import START_SECONDS, Process, ringback, start_worker, until_ready
from workers import deliver, poll
from workers.runtime import Kind, grace_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

CALLS = 200
# When calls end, in seconds after they were placed: from the first steps of the restart until after the last.
ENDS = (5, 7, 8, 9, 10, 11, 12, 13)
# So many receipts lead to one more registration: fewer than a call has events, so that it goes on.
_RECEIPTS_EACH = 3
# Long enough for a receiver and an upstream whose machine starts processes meanwhile: what times out is sent again.
_TIMEOUT_SECONDS = 10
# Requests under way, and what is open beside.
_API_GRACE_SECONDS = 15.0
_NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(
        tmp_path_factory.mktemp("rolling"),
        simulator=SimulatorSettings(seed=13, error_share=0.02, slow_share=0.01, slow_seconds=0.5),
        upstream_timeout_seconds=_TIMEOUT_SECONDS,
        delivery_timeout_seconds=_TIMEOUT_SECONDS,
        delivery_retry_seconds="0.5,0.5,0.5,0.5",
    ) as opened:
        yield opened


def life(seconds: float) -> list[tuple[float, str]]:
    """Return a life of so many seconds."""
    return [(0.05, "queued"), (seconds / 4, "ringing"), (seconds / 2, "in-progress"), (seconds, "completed")]


@dataclass
class Fleet:
    """The processes of an installation, and the clients that a load balancer would choose from."""

    stack: Stack
    exits: AsyncExitStack
    apis: dict[Process, httpx.AsyncClient] = field(default_factory=dict)
    turn: int = 0
    under_way: Counter[Process] = field(default_factory=Counter)

    def new(self, *command: str, settings: Mapping[str, str]) -> Process:
        process = ringback(*command, settings=settings, log_path=self.stack.folder / f"{next(_NUMBERS)}.log")
        self.exits.callback(process.kill)
        return process

    async def start_worker(self, kind: Kind) -> Process:
        process = self.new("worker", kind.name, settings=self.stack.settings)
        await start_worker(process)
        return process

    async def start_api(self) -> Process:
        port = free_port()
        process = self.new("api", "--port", str(port), settings=self.stack.settings)
        process.start()
        await until_ready(process, f"http://127.0.0.1:{port}/readyz")
        self.apis[process] = await self.exits.enter_async_context(
            open_client(f"http://127.0.0.1:{port}", self.stack.api_key)
        )
        return process

    async def end_worker(self, process: Process, kind: Kind) -> None:
        settings = Settings(upstream_timeout_seconds=_TIMEOUT_SECONDS, delivery_timeout_seconds=_TIMEOUT_SECONDS)
        assert await process.terminate(grace_seconds(kind, settings)) == 0
        assert "Traceback" not in process.output

    async def end_api(self, process: Process) -> None:
        self.apis.pop(process, None)
        # As a load balancer does that is told before the process is: what was sent there is answered first.
        await eventually(lambda: self._answered(process), "what was sent to an API that is to end is answered")
        assert await process.terminate(_API_GRACE_SECONDS) == 0
        assert "Traceback" not in process.output

    async def subscribe(self, call_sid: str) -> Subscriber:
        """Register for a call with the next API process in turn."""
        self.turn += 1
        process, client = list(self.apis.items())[self.turn % len(self.apis)]
        path = new_path()
        wanted = {"call_sid": call_sid, "callback_url": self.stack.receiver_url + path}
        self.under_way[process] += 1
        answer = await client.post("/v1/subscriptions", json=wanted)
        self.under_way[process] -= 1
        assert answer.status_code == 201, answer.text
        return Subscriber(path, call_sid)

    async def _answered(self, process: Process) -> bool:
        return not self.under_way[process]


async def roll(
    old: list[Process],
    start: Callable[[], Awaitable[Process]],
    end: Callable[[Process], Awaitable[None]],
) -> None:
    """Replace one process after the other, with one more than usual at each moment."""
    for process in old:
        await start()
        await end(process)


@asynccontextmanager
async def registering(fleet: Fleet, subscribers: list[Subscriber]) -> AsyncIterator[None]:
    """Place calls and register for them meanwhile, as fast as the events of others arrive."""
    ended = False
    receiver = fleet.stack.receiver

    async def register() -> None:
        while not ended:
            seen = len(receiver.receipts)
            (sid,) = await fleet.stack.place(1, life(ENDS[0]))
            subscribers.append(await fleet.subscribe(sid))
            await receiver.until(
                lambda seen=seen: len(receiver.receipts) >= seen + _RECEIPTS_EACH,  # type: ignore[misc] # a default binds it
                "events while everything is restarted",
                START_SECONDS,
            )

    task = asyncio.create_task(register())
    try:
        yield
    finally:
        ended = True
    await task


async def test_a_rolling_restart_of_everything_loses_nothing_and_repeats_nothing(stack: Stack) -> None:
    async with AsyncExitStack() as exits:
        fleet = Fleet(stack, exits)
        *_, poll_worker, deliver_worker = await asyncio.gather(
            fleet.start_api(), fleet.start_api(), fleet.start_worker(poll.KIND), fleet.start_worker(deliver.KIND)
        )
        sids = [sid for end in ENDS for sid in await stack.place(CALLS // len(ENDS), life(end))]
        subscribers = list(await asyncio.gather(*map(fleet.subscribe, sids)))

        async with registering(fleet, subscribers):
            live_before = len(subscribers) - sum(map(is_final, stack.receiver.receipts))
            await asyncio.gather(
                roll(list(fleet.apis), fleet.start_api, fleet.end_api),
                roll(
                    [stack.poll_worker, poll_worker],
                    lambda: fleet.start_worker(poll.KIND),
                    lambda process: fleet.end_worker(process, poll.KIND),
                ),
                roll(
                    [stack.deliver_worker, deliver_worker],
                    lambda: fleet.start_worker(deliver.KIND),
                    lambda process: fleet.end_worker(process, deliver.KIND),
                ),
            )
            live_after = len(subscribers) - sum(map(is_final, stack.receiver.receipts))

        # On a machine that is busy the first of them have ended.
        assert live_before > CALLS / 2
        assert len(subscribers) > CALLS
        await stack.until_over(subscribers, 60)
        judgement = await stack.judge(subscribers)
        # A call is asked for once more where an answer came too late for the worker that had asked, on a busy machine.
        assert judgement.faults(crashed=True) == []
        assert judgement.repeated == []
        assert judgement.delivered_once == judgement.expected == judgement.transitions
        print(f"{len(subscribers)} calls, live before {live_before}, after {live_after}: {judgement}")  # noqa: T201
