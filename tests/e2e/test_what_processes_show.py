"""The real processes' /metrics: what Prometheus can read there, what it says, and what it must not say."""

import asyncio
import shutil
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.dev.embedded_redis import EmbeddedRedis
from app.resources import open_resources
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, MakeSettings
from tests.e2e.stack import ACCOUNT, CONNECTOR, PROJECT, Stack
from tests.peers import eventually
from tests.processes import environment, start_api
from tests.readings import Readings, readings_of
from tests.workers.ledger import open_desk

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CALLS = 5
LONG_AGO_SECONDS = 30.0
_PROMTOOL = shutil.which("promtool") or ""
_CHECK = (_PROMTOOL, "check", "metrics")
_EVERY_PROCESS = ("ringback_lag_seconds", "ringback_live_calls", "ringback_queue_depth", "ringback_redis_up")


async def scrape(url: str) -> Readings:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(url)).raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return readings_of(answer.text)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worked(shared: Stack) -> AsyncIterator[tuple[Stack, dict[str, Readings], list[str]]]:
    """The stack after some calls, what its processes show then, and the ids of the subscriptions."""
    sids = await shared.place(CALLS, [(0.0, "CREATED"), (1.0, "ringing"), (2.0, "in-progress"), (3.0, "completed")])
    subscribers = await shared.subscribe_all(sids, each=1)
    await shared.until_over(subscribers)
    listed = (await shared.api.get("/v1/subscriptions", params={"limit": 200})).raise_for_status().json()["items"]
    await shared.api.get("/v1/subscriptions/sub_unknown")

    async def settled() -> bool:
        delivered = (await scrape(shared.metrics["deliver"])).all("ringback_delivery_attempts_total", "outcome")
        return delivered["delivered"] >= CALLS

    await eventually(settled, "what was delivered is counted")
    shown = {role: await scrape(url) for role, url in shared.metrics.items()}
    yield shared, shown, [sids[0], subscribers[0].path, *(one["id"] for one in listed)]


Worked = tuple[Stack, dict[str, Readings], list[str]]


async def test_what_happened_is_counted_where_it_happened(worked: Worked) -> None:
    _, shown, _ = worked
    api, poll, deliver = (shown[role] for role in ("api", "poll", "deliver"))
    events = poll.all("ringback_events_total", "type")
    assert {name for name, count in events.items() if count >= CALLS} >= {"call.created", "call.completed"}
    assert poll.all("ringback_polls_total", "outcome")["answered"] >= CALLS
    assert (poll.value("ringback_claims_total", loop="poll") or 0) >= CALLS
    assert deliver.all("ringback_delivery_attempts_total", "outcome")["delivered"] >= CALLS
    assert (deliver.value("ringback_event_latency_seconds_count") or 0) >= CALLS
    assert api.all("ringback_registrations_total", "created")["true"] >= CALLS
    assert api.all("ringback_http_requests_total", "route")["/v1/subscriptions"] >= CALLS


async def test_each_process_says_what_it_is_and_how_all_are(worked: Worked) -> None:
    _, shown, _ = worked
    for role, readings in shown.items():
        assert readings.all("ringback_build_info", "role") == {role: 1.0}
        names = {name for name, _ in readings.samples}
        assert [name for name in _EVERY_PROCESS if name not in names] == []
        assert readings.all("ringback_redis_up", "redis") == {"ledger": 1.0, "queue": 1.0}


async def test_nobody_can_be_recognised(worked: Worked) -> None:
    stack, shown, ids = worked
    told = {
        ADMIN_KEY,
        ENCRYPTION_KEY,
        CONNECTOR,
        ACCOUNT,
        PROJECT,
        stack.signing_secret,
        str(stack.api.headers["authorization"]).removeprefix("Bearer "),
        stack.receiver_url,
        stack.simulator_url,
        stack.redis.url,
        "OUT-",
        "sub_",
        "ten_",
        "evt_",
        "http://",
        *ids,
    }
    leaked = [(role, one) for role, readings in shown.items() for one in told if one in readings.text]
    assert leaked == []


@pytest.mark.skipif(not _PROMTOOL, reason="promtool is not installed")
async def test_prometheus_own_tool_has_nothing_to_say(worked: Worked) -> None:
    _, shown, _ = worked
    for readings in shown.values():
        tool = await asyncio.create_subprocess_exec(*_CHECK, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        said, _ = await tool.communicate(readings.text.encode())
        assert (tool.returncode, said) == (0, b"")


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        yield server


async def test_the_api_tells_of_a_lag_although_no_worker_lives(
    tmp_path: Path, own_redis: EmbeddedRedis, make_settings: MakeSettings
) -> None:
    settings = make_settings(redis_url=own_redis.url)
    async with open_resources(settings) as resources:
        desk = await open_desk(resources)
        await desk.subscribe("https://crm.example.com/hook")
        due_at = time.time() - LONG_AGO_SECONDS
        await resources.ledger.redis.zadd(desk.partition.due, {desk.key.watch_id: due_at * 1000})
    process, url = await start_api(
        environment(
            redis_url=own_redis.url,
            upstream_base_url=settings.upstream_base_url,
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            partitions=settings.partitions,
        ),
        tmp_path,
    )
    try:

        async def lags() -> bool:
            return bool((await scrape(f"{url}/metrics")).all("ringback_lag_seconds", "loop"))

        await eventually(lags, "a lag")
        readings = await scrape(f"{url}/metrics")
        lag = readings.value("ringback_lag_seconds", loop="poll")
        assert lag is not None
        assert LONG_AGO_SECONDS - 0.5 <= lag <= time.time() - due_at + 0.5
        assert readings.value("ringback_lag_seconds", loop="deliver") == 0.0
        assert readings.all("ringback_live_calls", "phase") == {"waiting": 1.0, "ringing": 0.0, "in_progress": 0.0}
        await process.terminate()
        assert "Traceback" not in process.output
    finally:
        process.kill()
