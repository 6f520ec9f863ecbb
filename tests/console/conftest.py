"""A whole installation, and a browser: started once for all tests of the console."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from app.dev.simulator import SimulatorSettings
from tests.console.browsing import ARGUMENTS, CHROMIUM, PATIENCE_MS, Tab, open_tab
from tests.e2e.stack import Stack, running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The API, both workers, Redis, an upstream that a test can script, and a receiver."""
    async with running(
        tmp_path_factory.mktemp("console"),
        simulator=SimulatorSettings(seed=5, time_lapse=40),
        delivery_timeout_seconds=2,
        delivery_retry_seconds="0.2,0.2,0.2",
    ) as stack:
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(rig: Stack, browser: Browser) -> AsyncIterator[Tab]:
    """A tab of its own, which fails the test at its end if anything in it went wrong."""
    async with await browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(PATIENCE_MS)
        opened = await open_tab(context, str(rig.api.base_url).rstrip("/"))
        yield opened
        assert not opened.complaints, opened.complaints
