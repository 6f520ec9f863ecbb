"""The simulator's own record, which judges whether every transition was delivered."""

import json
from typing import Any

import httpx
import pytest

from app.dev.simulator import SimulatorSettings, create_simulator
from tests.servers import serve

_ACCOUNT = "/api/v1/acc-demo/proj-demo/outbound-call"
_HEADERS = {"X-CONNECTOR-ID": "connector-demo"}


async def _log(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/simulator/log{query}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def _trigger(client: httpx.AsyncClient, **body: Any) -> str:
    return str((await client.post(_ACCOUNT, json=body)).json()["call_sid"])


async def test_the_log_tells_exactly_what_the_polls_were_shown() -> None:
    settings = SimulatorSettings(error_share=0.3, slow_share=0)
    life = [[0, "CREATED"], [0.01, "queued"], [0.02, "ringing"], [0.05, "completed"]]
    async with (
        serve(create_simulator(settings)) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        call_sid = await _trigger(client, life=life)
        shown: list[tuple[int, str | None]] = []
        document: dict[str, Any] = {}
        while document.get("status") != "completed":
            answer = await client.get(f"{_ACCOUNT}/status/{call_sid}")
            document = answer.json()
            shown.append((answer.status_code, document.get("status")))
        (entry,) = await _log(client)
        counts = (await client.get("/simulator/polls")).json()

    assert [(poll["code"], poll["status"]) for poll in entry["polls"]] == shown
    assert entry["poll_count"] == len(shown)
    assert [{step["status"]: step["timestamp"]} for step in entry["history"]] == document["event_history"]
    for poll in entry["polls"]:
        so_far = [step["status"] for step in entry["history"] if step["at"] <= poll["at"]]
        assert poll["status"] in (None, so_far[-1])
    assert counts["total"] == len(shown)
    assert counts["by_code"] == {
        str(code): sum(code == seen for seen, _ in shown) for code in sorted({seen for seen, _ in shown})
    }


async def test_the_log_knows_the_future_and_the_true_moments() -> None:
    async with (
        serve(create_simulator(SimulatorSettings(retention_seconds=100), clock=lambda: 1000.25)) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        call_sid = await _trigger(client, life=[[0, "CREATED"], [5.5, "failed"]])
        (entry,) = await _log(client)
    assert entry == {
        "call_sid": call_sid,
        "account_id": "acc-demo",
        "project_id": "proj-demo",
        "triggered_at": 1000.25,
        "expires_at": 1105.75,
        "history": [
            {"status": "CREATED", "timestamp": "1970-01-01T00:16:40.250000Z", "at": 1000.25},
            {"status": "failed", "timestamp": "1970-01-01T00:16:45.750000Z", "at": 1005.75},
        ],
        "poll_count": 0,
        "polls": [],
    }


async def test_the_log_holds_every_call_in_order_and_can_be_asked_for_one() -> None:
    async with (
        serve(create_simulator(SimulatorSettings())) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        placed = (await client.post(_ACCOUNT, json={"count": 350})).json()["call_sids"]
        everything = await _log(client)
        one = await _log(client, f"?call_sid={placed[7]}")
        nothing = await _log(client, "?call_sid=OUT-unknown")
    assert [entry["call_sid"] for entry in everything] == placed
    assert one == [everything[7]]
    assert nothing == []


async def test_a_refused_poll_is_in_the_log_and_the_connector_never_is() -> None:
    async with (
        serve(create_simulator(SimulatorSettings(error_share=0, slow_share=0))) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        call_sid = await _trigger(client)
        await client.get(f"{_ACCOUNT}/status/{call_sid}", headers={"X-CONNECTOR-ID": "connector-wrong"})
        text = (await client.get("/simulator/log")).text
    (poll,) = json.loads(text)["polls"]
    assert (poll["code"], poll["status"]) == (401, None)
    assert "connector" not in text


async def test_the_record_is_bounded_and_the_count_is_not() -> None:
    settings = SimulatorSettings(error_share=0, slow_share=0, kept_polls_per_call=3, kept_calls=2)
    async with (
        serve(create_simulator(settings)) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        placed = [await _trigger(client, life=[[0, "CREATED"]]) for _ in range(3)]
        codes = [(await client.get(f"{_ACCOUNT}/status/{placed[0]}")).status_code]
        codes += [(await client.get(f"{_ACCOUNT}/status/{placed[2]}")).status_code for _ in range(5)]
        entries = await _log(client)
    assert codes == [404, 200, 200, 200, 200, 200]
    assert [entry["call_sid"] for entry in entries] == placed[1:]
    assert [(len(entry["polls"]), entry["poll_count"]) for entry in entries] == [(0, 0), (3, 5)]


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
async def test_the_counts_start_at_nothing(accept: str) -> None:
    async with (
        serve(create_simulator(SimulatorSettings())) as base_url,
        httpx.AsyncClient(base_url=base_url, headers={"accept": accept}) as client,
    ):
        counts = (await client.get("/simulator/polls")).json()
    assert counts == {"total": 0, "slow": 0, "by_code": {}}
