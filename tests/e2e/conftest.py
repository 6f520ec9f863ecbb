"""One stack for all tests that break nothing: starting the processes costs more than most tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, running
from tests.e2e.trouble import follow_all
from tests.judge import Subscriber

BUSY_TIMEOUT_SECONDS = 1.0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack in good health, with quick calls and quick retries."""
    async with running(
        tmp_path_factory.mktemp("shared"),
        simulator=SimulatorSettings(seed=7, time_lapse=40, error_share=0.02, slow_share=0.01, slow_seconds=0.5),
        # Long enough that a receiver which hangs is still hanging when the other one has got everything.
        delivery_timeout_seconds=8,
        delivery_retry_seconds="0.1,0.1,0.1,0.1,0.1,0.1",
    ) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that tells all it knows in its logs, and whose attempts are short."""
    async with running(
        tmp_path_factory.mktemp("busy"),
        simulator=SimulatorSettings(seed=11),
        delivery_timeout_seconds=BUSY_TIMEOUT_SECONDS,
        delivery_retry_seconds="0.2,0.2,0.2",
        log_level="DEBUG",
    ) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crowd(shared: Stack) -> list[Subscriber]:
    """Three subscribers to each of a hundred calls: everything else on the shared stack happens in their midst."""
    return await shared.subscribe_all(await shared.place(100), each=3)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that gives calls up within seconds, and deliveries after one retry."""
    async with running(
        tmp_path_factory.mktemp("impatient"),
        simulator=SimulatorSettings(),
        upstream_timeout_seconds=1,
        not_found_grace_seconds=3,
        # Twice what the slowest recovery takes.
        watch_max_seconds=8,
        delivery_retry_seconds="0.1",
    ) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def troubled(impatient: Stack) -> dict[str, Subscriber]:
    """A subscriber for each kind of trouble. It is begun early: other tests take place while these calls end."""
    return await follow_all(impatient)
