"""Arq takes the settings as they are meant: it silently drops a key that it does not know."""

import asyncio
import inspect
import signal
from collections.abc import Iterator

import pytest
from arq.worker import Worker, create_worker

from app.queue import DELIVER_QUEUE, POLL_QUEUE, SteadyQueue, deserialize_job, serialize_job
from app.settings import Settings
from tests.conftest import ENCRYPTION_KEY
from workers import deliver, poll
from workers.runtime import grace_seconds

MODULES = {"poll": poll, "deliver": deliver}
QUEUES = {"poll": POLL_QUEUE, "deliver": DELIVER_QUEUE}


@pytest.fixture(params=["poll", "deliver"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """What a process that becomes a worker does with SIGTERM is not for this one."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def arq_worker(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker as `arq workers.<kind>.WorkerSettings` makes it."""
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    monkeypatch.setenv("RINGBACK_UPSTREAM_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("RINGBACK_UPSTREAM_TIMEOUT_SECONDS", "6.5")
    monkeypatch.setenv("RINGBACK_DELIVERY_TIMEOUT_SECONDS", "8.5")
    # The test's own signal handlers stay as they are.
    yield create_worker(MODULES[kind].WorkerSettings, handle_signals=False)
    asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)


def test_every_key_is_one_that_arq_knows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    monkeypatch.setenv("RINGBACK_UPSTREAM_BASE_URL", "http://127.0.0.1:9")
    settings = MODULES[kind].WorkerSettings
    asyncio.get_event_loop_policy().get_event_loop().close()
    asyncio.set_event_loop(None)
    assert set(settings) <= set(inspect.signature(Worker).parameters)


def test_a_worker_serves_its_own_queue(arq_worker: Worker, kind: str) -> None:
    assert arq_worker.queue_name == QUEUES[kind]
    assert set(arq_worker.functions) == {f"{kind}_due", f"{kind}_tick"}
    assert [job.name for job in arq_worker.cron_jobs] == [f"{kind}_tick"]


def test_it_ticks_every_second(arq_worker: Worker) -> None:
    (tick,) = arq_worker.cron_jobs
    assert tick.second == set(range(60))
    assert tick.microsecond == 0
    assert all(each is None for each in (tick.minute, tick.hour, tick.day, tick.month, tick.weekday))


def test_a_tick_is_remembered_until_all_workers_have_come_to_it(arq_worker: Worker) -> None:
    """Else each worker would tick for itself."""
    (tick,) = arq_worker.cron_jobs
    assert tick.keep_result_s == 2


def test_it_hears_soon_and_keeps_nothing(arq_worker: Worker, kind: str) -> None:
    assert arq_worker.poll_delay_s == pytest.approx(0.01)
    assert arq_worker.keep_result_s == 0
    assert arq_worker.functions[f"{kind}_due"].keep_result_s == 0
    assert not arq_worker.retry_jobs


def test_it_writes_no_pickles_and_outlives_its_redis(arq_worker: Worker) -> None:
    assert isinstance(arq_worker.pool, SteadyQueue)
    assert arq_worker.job_serializer is arq_worker.pool.job_serializer is serialize_job
    assert arq_worker.job_deserializer is arq_worker.pool.job_deserializer is deserialize_job


def test_sigterm_waits_for_what_is_under_way(arq_worker: Worker, kind: str) -> None:
    assert arq_worker._job_completion_wait == {"poll": 9, "deliver": 11}[kind]


def test_a_worker_ends_within_what_its_deployment_grants(kind: str) -> None:
    """With the defaults: what `terminationGracePeriodSeconds` is (30 and 45 s) leaves room for a busy machine."""
    grace = grace_seconds(MODULES[kind].KIND, Settings())
    assert grace == {"poll": 24, "deliver": 29}[kind]
    assert grace > MODULES[kind].KIND.longest_seconds(Settings())
