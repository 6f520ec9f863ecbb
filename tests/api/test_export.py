"""Finished calls as a stream of lines."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from app.domain.timestamps import parse_timestamp
from app.main import create_app
from app.resources import Resources
from tests.api.client import Headers, new_tenant, running, subscribe
from tests.builders import CALL_SID, CONNECTOR, LIFE
from tests.conftest import MakeSettings
from tests.peers import PATIENCE_SECONDS
from tests.store.polling import poll

EXPORT = "/v1/export/calls"


async def _export(api: httpx.AsyncClient, tenant: Headers, **query: str) -> list[dict[str, Any]]:
    answer = await api.get(EXPORT, headers=tenant, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def _finish(resources: Resources, *sids: str) -> None:
    for sid in sids:
        await poll(resources, resources.subscriptions.partition_of_call(sid))


async def test_a_finished_call_is_a_line(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    await subscribe(api, tenant)
    await subscribe(api, tenant, callback_url="https://crm.example.com/other")
    await _finish(resources, CALL_SID)

    [line] = await _export(api, tenant)

    call = (await api.get(f"/v1/calls/{CALL_SID}", headers=tenant)).json()
    events = (await api.get(f"/v1/calls/{CALL_SID}/events", headers=tenant)).json()["items"]
    assert {name: line[name] for name in call} == call
    assert line["events"] == events
    assert (line["ended_at"], line["final_at"]) == ("2024-03-15T10:05:30Z", events[-1]["data"]["observed_at"])
    assert line.keys() - call.keys() == {"events", "ended_at", "final_at", "cursor"}
    assert CONNECTOR not in str(line)


async def test_calls_under_way_and_other_tenants_calls_are_left_out(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    stranger = await new_tenant(api, name="stranger")
    await subscribe(api, tenant, call_sid="OUT-1")
    await poll(resources, resources.subscriptions.partition_of_call("OUT-1"), LIFE[:4])
    assert await _export(api, tenant) == []
    await _finish(resources, "OUT-1")

    assert [line["call_sid"] for line in await _export(api, tenant)] == ["OUT-1"]
    assert await _export(api, stranger) == []


async def test_since_goes_by_when_the_end_was_observed(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    await _finish(resources, CALL_SID)
    [line] = await _export(api, tenant)

    assert await _export(api, tenant, since=line["final_at"]) == [line]
    assert await _export(api, tenant, since="2999-01-01T00:00:00Z") == []
    assert await _export(api, tenant, since="2024-03-15T10:05:31Z") == [line]


async def test_a_stream_goes_on_behind_any_of_its_lines(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    sids = [f"OUT-{number}" for number in range(8)]
    for sid in sids:
        await subscribe(api, tenant, call_sid=sid)
    await _finish(resources, *sids)

    lines = await _export(api, tenant)

    assert sorted(line["call_sid"] for line in lines) == sids
    for place, line in enumerate(lines):
        assert await _export(api, tenant, cursor=line["cursor"]) == lines[place + 1 :]


async def test_the_next_export_is_told_to_overlap(api: httpx.AsyncClient, tenant: Headers) -> None:
    answer = await api.get(EXPORT, headers=tenant)

    next_since = parse_timestamp(answer.headers["ringback-next-since"])
    assert next_since is not None
    assert (await api.get(EXPORT, headers=tenant, params={"since": next_since.isoformat()})).status_code == 200


@pytest.mark.parametrize("query", ["since=yesterday", "cursor=x", "until=2024-03-15T10:00:00Z"])
async def test_nonsense_in_an_export_is_refused(api: httpx.AsyncClient, tenant: Headers, query: str) -> None:
    assert (await api.get(f"{EXPORT}?{query}", headers=tenant)).status_code == 422


async def test_without_redis_an_export_is_refused_before_it_begins(make_settings: MakeSettings) -> None:
    async with running(make_settings(redis_url="redis://127.0.0.1:9/0")) as api:
        answer = await api.get(EXPORT, headers={"Authorization": "Bearer rbk_a_b"})

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


async def test_a_reader_that_stalls_stops_the_scan_and_one_that_goes_away_ends_it(
    make_settings: MakeSettings, resources: Resources
) -> None:
    app = create_app(make_settings())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ringback.test") as api,
    ):
        tenant = await new_tenant(api)
        sids = [f"OUT-{number}" for number in range(120)]
        for sid in sids:
            await subscribe(api, tenant, call_sid=sid)
        await _finish(resources, *sids)
        reader = _StallingReader()
        before = await _calls_read(resources)

        async with asyncio.timeout(PATIENCE_SECONDS):
            answering = asyncio.create_task(app(_request(tenant), reader.receive, reader.send))
            await reader.stalled.wait()
            reader.gone.set()
            await answering

    # The first step is one partition's: of each call its SID is looked up, and its events are read.
    assert 0 < len(reader.lines) < 60
    assert await _calls_read(resources) - before <= 120


class _StallingReader:
    """A client that takes the first lines and no more, and goes away when it is told to."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.stalled = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.lines += message["body"].splitlines()
            self.stalled.set()
            await asyncio.Event().wait()


def _request(tenant: Headers) -> Scope:
    headers = [(name.lower().encode(), value.encode()) for name, value in tenant.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": EXPORT,
        "raw_path": EXPORT.encode(),
        "query_string": b"",
        "headers": headers,
    }


async def _calls_read(resources: Resources) -> int:
    """Return how many lists were read: a call's events, or a tenant's subscriptions of a SID."""
    stats = await resources.ledger.redis.info("commandstats")
    return int(stats.get("cmdstat_lrange", {"calls": 0})["calls"])
