"""A receiver that is down for a while and back: everything arrives, in order, soon, and it was not hammered."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from app.dev.embedded_redis import free_port
from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, running
from tests.peers import Receiver
from tests.servers import serve

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.usefixtures("crowd", "troubled"),
]

CALLS = 20


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running(
        tmp_path_factory.mktemp("outages"),
        simulator=SimulatorSettings(seed=5, time_lapse=45, error_share=0, slow_share=0),
        delivery_timeout_seconds=2,
        delivery_retry_seconds=",".join(["0.3"] * 40),
    ) as opened:
        yield opened


def about(event: str, level: str, port: int) -> str:
    return f'"level":"{level}","event":"{event}","destination":"http://127.0.0.1:{port}"'


@pytest.mark.parametrize("answers", [True, False], ids=["answers 503", "refuses connections"])
async def test_a_receiver_that_was_down_gets_everything_in_order(stack: Stack, *, answers: bool) -> None:
    port, receiver = free_port(), Receiver()
    there = replace(stack, receiver=receiver, receiver_url=f"http://127.0.0.1:{port}")
    receiver.down = answers
    async with AsyncExitStack() as servers:
        if answers:
            await servers.enter_async_context(serve(receiver, port))
        subscribers = await there.subscribe_all(await there.place(CALLS), each=1)
        await stack.deliver_worker.until_it_says(about("breaker open", "warning", port))
        if answers:
            receiver.down = False
        else:
            await servers.enter_async_context(serve(receiver, port))
        await there.until_over(subscribers)

    assert (await there.judge(subscribers)).faults() == []
    assert about("breaker closed", "info", port) in stack.deliver_worker.output
