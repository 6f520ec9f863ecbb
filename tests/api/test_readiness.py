"""The API without its Redis: it starts, says that it is not ready, and becomes ready when Redis comes."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import EmbeddedRedis
from app.store.connection import Ledger, WrongPartitions
from tests.api.client import SUBSCRIPTIONS, new_tenant, running, subscribe
from tests.conftest import MakeSettings


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that is not running yet, and that a test may stop."""
    server = EmbeddedRedis(tmp_path, appendfsync="no")
    try:
        yield server
    finally:
        server.stop()


def _check_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert "redis" not in answer.text.lower()


async def test_with_redis_it_is_ready(api: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_it_starts_without_redis_and_is_ready_when_redis_comes(
    make_settings: MakeSettings, own_redis: EmbeddedRedis
) -> None:
    async with running(make_settings(redis_url=own_redis.url)) as api:
        assert (await api.get("/healthz")).status_code == 200
        _check_unavailable(await api.get("/readyz"))
        _check_unavailable(await api.get(SUBSCRIPTIONS, headers={"Authorization": "Bearer rbk_a_b"}))
        own_redis.start()
        assert (await api.get("/readyz")).status_code == 200
        await subscribe(api, await new_tenant(api))


async def test_it_survives_a_redis_that_goes_and_comes_back(
    make_settings: MakeSettings, own_redis: EmbeddedRedis
) -> None:
    own_redis.start()
    async with running(make_settings(redis_url=own_redis.url)) as api:
        tenant = await new_tenant(api)
        made = await subscribe(api, tenant)
        own_redis.stop()
        _check_unavailable(await api.get("/readyz"))
        _check_unavailable(await api.get(SUBSCRIPTIONS, headers=tenant))
        own_redis.start()
        assert (await api.get("/readyz")).status_code == 200
        assert (await api.get(f"{SUBSCRIPTIONS}/{made['id']}", headers=tenant)).json() == made


async def test_a_redis_that_accepts_and_never_answers_is_not_waited_for(make_settings: MakeSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        async with running(make_settings(redis_url=url)) as api:
            begun = time.monotonic()
            _check_unavailable(await api.get("/readyz"))
            # A second by design; without its own bound it would be the client's five, several times over.
            assert time.monotonic() - begun < 4


async def test_another_number_of_partitions_stops_it_at_boot(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(make_settings(partitions=4)) as api:
        await new_tenant(api)

    with pytest.raises(WrongPartitions, match="RINGBACK_PARTITIONS is 8"), caplog.at_level(logging.CRITICAL):
        async with running(make_settings(partitions=8)):
            pytest.fail("it started")

    assert [record.message for record in caplog.records if record.levelno == logging.CRITICAL]


async def test_another_number_of_partitions_found_later_serves_nobody(
    make_settings: MakeSettings, own_redis: EmbeddedRedis
) -> None:
    own_redis.start()
    ledger = Ledger(own_redis.url)
    await ledger.check_partitions(4)
    await ledger.aclose()
    own_redis.stop()

    async with running(make_settings(redis_url=own_redis.url, partitions=8)) as api:
        own_redis.start()
        for _ in range(2):
            _check_unavailable(await api.get("/readyz"))
            _check_unavailable(await api.get(SUBSCRIPTIONS, headers={"Authorization": "Bearer rbk_a_b"}))
        assert (await api.get("/healthz")).status_code == 200


async def test_a_redis_that_may_lose_data_is_told_of_loudly(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = ["--maxmemory-policy", "allkeys-lru"]
    with (
        EmbeddedRedis(tmp_path, append_only=False, extra_arguments=arguments) as server,
        caplog.at_level(logging.WARNING),
    ):
        async with running(make_settings(redis_url=server.url)) as api:
            await asyncio.gather(*(api.get("/readyz") for _ in range(5)))

    warnings = [record.message for record in caplog.records if record.name == "app.api.readiness"]
    assert len(warnings) == 2
    assert "noeviction" in warnings[0]
    assert "appendonly" in warnings[1]
