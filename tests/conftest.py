"""What every test may stand on: one real Redis, emptied for each test, and settings for a fast installation."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped] # xdist has no types

from app.resources import Resources, open_resources
from app.settings import PREFIX, Settings
from tests.loops import StrictLoop
from tests.sharing import Sharing
from tests.topologies import KINDS, Topology, choose, open_topology

ADMIN_KEY = "admin-key-of-the-tests"
ENCRYPTION_KEY = "a2V5LW9mLXRoZS10ZXN0cy1vZi10aGlydHktdHdvLWI="


class MakeSettings(Protocol):
    """Settings of a fast installation on the test's Redis; what is named replaces a default."""

    def __call__(self, **overrides: Any) -> Settings: ...


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """No test leaves a connection open: pytest-asyncio asks for the loops of all tests here."""
    return {"strict": StrictLoop}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--redis", choices=KINDS, default=KINDS[0], help="what the tests' own Redis is")


def pytest_configure(config: pytest.Config) -> None:
    choose(config.getoption("--redis"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the long tests begun first where several processes share the work: none is left alone with one at the end.

    Groups come before all others anyhow.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing | None:
    return Sharing(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    """A test's settings are the test's: what the shell happens to hold must not change them."""
    for name in [name for name in os.environ if name.startswith((PREFIX, "OTEL_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """A Redis that all tests share; one that is stopped or filled needs a server of its own."""
    with open_topology(tmp_path_factory.mktemp("redis"), appendfsync="no") as running:
        yield running


@pytest.fixture
def redis_url(redis_server: Topology) -> str:
    """The address of a Redis that holds nothing."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def queue_url(redis_server: Topology, redis_url: str) -> str:
    """The address of a Redis for the queue, which holds nothing: the same one unless that is a cluster."""
    assert redis_url
    return redis_server.queue_url


@pytest.fixture
def make_settings(redis_url: str, queue_url: str) -> MakeSettings:
    """Paces of tenths of a second, and callbacks to this machine allowed."""

    def make(**overrides: Any) -> Settings:
        values: dict[str, Any] = {
            "redis_url": redis_url,
            # A test that names another Redis names one for both.
            "queue_redis_url": "" if "redis_url" in overrides else queue_url,
            "upstream_base_url": "http://127.0.0.1:9",
            "admin_key": ADMIN_KEY,
            "encryption_keys": ENCRYPTION_KEY,
            "allow_private_callbacks": True,
            "allow_http_callbacks": True,
            "callback_ports": "*",
            "poll_early_seconds": 0.1,
            "poll_early_max_seconds": 0.2,
            "poll_in_progress_seconds": 0.1,
            "poll_in_progress_max_seconds": 0.3,
            "poll_error_max_seconds": 0.5,
            "not_found_grace_seconds": 0.5,
            "upstream_timeout_seconds": 2.0,
            "delivery_timeout_seconds": 2.0,
            "delivery_retry_seconds": (0.05, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
            "partitions": 4,
            "worker_host": "127.0.0.1",
            "worker_port": 0,
            # They would be among what a test counts.
            "vital_signs_seconds": 0,
        }
        return Settings(**{**values, **overrides})

    return make


@pytest.fixture
async def resources(make_settings: MakeSettings) -> AsyncIterator[Resources]:
    async with open_resources(make_settings()) as opened:
        await opened.ledger.ping()
        await opened.ledger.check_partitions(opened.settings.partitions)
        yield opened
