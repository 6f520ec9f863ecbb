"""The real processes for checks of the API against its document, with what only `make contract` has installed."""

from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest
import pytest_asyncio

from app.dev.simulator import SimulatorSettings
from tests.e2e.stack import Stack, running

# `make test` has neither schemathesis nor the generator of clients.
collect_ignore_glob = [] if find_spec("schemathesis") else ["test_*.py"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack in good health whose attempts to reach made-up receivers are short."""
    async with running(
        tmp_path_factory.mktemp("contract"),
        simulator=SimulatorSettings(seed=5, time_lapse=40, error_share=0.0, slow_share=0.0),
        delivery_timeout_seconds=2,
        delivery_retry_seconds="0.2,0.2",
    ) as opened:
        yield opened
