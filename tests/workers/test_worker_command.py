"""Workers as an operator meets them: the real `arq` command, its refusals, its probes and its end."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from app.dev.embedded_redis import EmbeddedRedis, free_port
from tests.conftest import ENCRYPTION_KEY
from tests.peers import eventually
from tests.processes import Process, environment, start_worker, until_ready, worker

NOBODY = "http://127.0.0.1:9"
COMPLETE = {
    "encryption_keys": ENCRYPTION_KEY,
    "upstream_base_url": NOBODY,
    "worker_host": "127.0.0.1",
    "worker_port": 0,
}


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        yield server


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """What a test has started; whatever happens to the test, it is ended."""
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.kill()


async def test_a_setting_that_is_missing_or_impossible_is_one_line(tmp_path: Path, started: list[Process]) -> None:
    impossible = {"delivery_timeout_seconds": -1}
    refused = {
        "RINGBACK_UPSTREAM_BASE_URL is missing": ("poll", without("upstream_base_url")),
        "RINGBACK_ENCRYPTION_KEYS is missing": ("deliver", without("encryption_keys")),
        "RINGBACK_DELIVERY_TIMEOUT_SECONDS is impossible": ("deliver", COMPLETE | impossible),
    }
    for number, (kind, settings) in enumerate(refused.values()):
        started.append(worker(kind, environment(**settings), tmp_path / str(number)))
        started[-1].start()
    for process, line in zip(started, refused, strict=True):
        assert await process.ended() == 1
        (said,) = process.output.strip().splitlines()
        assert said.startswith(f"ringback: {line}")


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in COMPLETE.items() if key != name}


async def test_another_number_of_partitions_is_refused(
    tmp_path: Path, own_redis: EmbeddedRedis, started: list[Process]
) -> None:
    client = Redis.from_url(own_redis.url)
    client.hset("rb:installation", "partitions", "7")
    client.close()
    process = worker("poll", environment(redis_url=own_redis.url, **COMPLETE), tmp_path)
    started.append(process)
    process.start()
    assert await process.ended() == 1
    assert process.output.strip().splitlines()[-1].startswith("ringback: RINGBACK_PARTITIONS is 16")
    assert "Traceback" not in process.output


async def test_a_worker_tells_how_it_is_and_survives_a_restart_of_redis(
    tmp_path: Path, own_redis: EmbeddedRedis, started: list[Process]
) -> None:
    port = free_port()
    process = worker("poll", environment(redis_url=own_redis.url, **COMPLETE | {"worker_port": port}), tmp_path)
    started.append(process)
    await start_worker(process)
    url = f"http://127.0.0.1:{port}"

    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def unready() -> bool:
            return (await client.get(f"{url}/readyz")).status_code == 503

        assert (await client.get(f"{url}/readyz")).json() == {"status": "ok"}
        assert "ringback_in_flight" in (await client.get(f"{url}/metrics")).text
        own_redis.kill()
        await eventually(unready, "not ready without Redis")
        assert (await client.get(f"{url}/healthz")).status_code == 200
        own_redis.start()
        await until_ready(process, f"{url}/readyz")
    assert await process.terminate() == 0


async def test_without_redis_a_worker_waits_for_it_and_can_be_ended(
    tmp_path: Path, own_redis: EmbeddedRedis, started: list[Process]
) -> None:
    own_redis.kill()
    settings = environment(redis_url=own_redis.url, **COMPLETE)
    patient, impatient = (worker("deliver", settings, tmp_path / name) for name in ("patient", "impatient"))
    for process in (patient, impatient):
        started.append(process)
        process.start()
        await process.until_it_says("waiting for it")
    assert await impatient.terminate() == 0
    own_redis.start()
    await patient.until_it_says("worker started")
    own_redis.kill()
    assert await patient.terminate() == 0
    assert "Traceback" not in patient.output + impatient.output


async def test_a_port_that_is_taken_costs_the_probes_alone(
    tmp_path: Path, own_redis: EmbeddedRedis, started: list[Process]
) -> None:
    process = worker(
        "poll", environment(redis_url=own_redis.url, **COMPLETE | {"worker_port": own_redis.port}), tmp_path
    )
    started.append(process)
    await start_worker(process)
    assert "RINGBACK_WORKER_PORT cannot be bound" in process.output
    assert await process.terminate() == 0
