"""The simulated upstream over HTTP, held against the vendor's page."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from app.dev.simulator import Account, SimulatorSettings, create_simulator
from tests.servers import serve

_ACCOUNT = "/api/v1/acc-demo/proj-demo/outbound-call"
_FAILED = "Failed to retrieve call status. Retry with exponential backoff."
_HEADERS = {"X-CONNECTOR-ID": "connector-demo"}
_TWO_CONNECTORS = (
    Account("acc-demo", "proj-demo", ("connector-demo", "connector-two")),
    Account("acc-two", "proj-two", ("connector-demo",)),
)


class _Clock:
    """Unix seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_710_496_800.0  # 2024-03-15T10:00:00Z

    def __call__(self) -> float:
        return self.now


class _Upstream:
    def __init__(self, client: httpx.AsyncClient, clock: _Clock) -> None:
        self.client = client
        self.clock = clock

    async def trigger(self, **body: Any) -> str:
        answer = await self.client.post(_ACCOUNT, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["call_sid"])

    async def status(
        self, call_sid: str, *, headers: Mapping[str, str] = _HEADERS, account: str = _ACCOUNT
    ) -> httpx.Response:
        return await self.client.get(f"{account}/status/{call_sid}", headers=headers)


@asynccontextmanager
async def _upstream(**settings: Any) -> AsyncIterator[_Upstream]:
    """A simulator without errors or delays of its own accord, on a clock that stands still."""
    chosen = SimulatorSettings(**{"error_share": 0, "slow_share": 0} | settings)
    clock = _Clock()
    async with (
        serve(create_simulator(chosen, clock=clock)) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=_HEADERS) as client,
    ):
        yield _Upstream(client, clock)


async def test_an_answer_has_the_fields_of_the_vendors_example() -> None:
    life = [[0, "CREATED"], [1, "queued"], [5, "ringing"], [12, "in-progress"], [330, "completed"]]
    async with _upstream(whole_seconds=True, client_env="production") as upstream:
        call_sid = await upstream.trigger(life=life)
        upstream.clock.now += 400
        answer = await upstream.status(call_sid)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch(r"OUT-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", call_sid)
    assert answer.json() == {
        "call_sid": call_sid,
        "account_id": "acc-demo",
        "project_id": "proj-demo",
        "client_env": "production",
        "connector_id": "connector-demo",
        "created_at": "2024-03-15T10:00:00Z",
        "status": "completed",
        "last_updated": "2024-03-15T10:05:30Z",
        "event_history": [
            {"CREATED": "2024-03-15T10:00:00Z"},
            {"queued": "2024-03-15T10:00:01Z"},
            {"ringing": "2024-03-15T10:00:05Z"},
            {"in-progress": "2024-03-15T10:00:12Z"},
            {"completed": "2024-03-15T10:05:30Z"},
        ],
    }


async def test_a_scripted_life_shows_each_step_from_its_moment_on() -> None:
    # A step may come and go unseen, and a status may be one that nobody has heard of.
    life = [[0.5, "CREATED"], [1.25, "queued"], [1.25, "ringing"], [2, "on-hold"], [3, "completed"]]
    seen = []
    async with _upstream() as upstream:
        call_sid = await upstream.trigger(life=life)
        started = upstream.clock.now
        for after in (0.0, 0.5, 1.0, 1.25, 1.999999, 2.0, 3.0):
            upstream.clock.now = started + after
            answer = await upstream.status(call_sid)
            seen.append([next(iter(entry)) for entry in answer.json().get("event_history", [])])
        last = answer.json()

    created = ["CREATED"]
    ringing = ["CREATED", "queued", "ringing"]
    on_hold = [*ringing, "on-hold"]
    assert seen == [[], created, created, ringing, ringing, on_hold, [*on_hold, "completed"]]
    assert last["event_history"][1] == {"queued": "2024-03-15T10:00:01.250000Z"}
    assert last["created_at"] == "2024-03-15T10:00:00.500000Z"


async def test_a_seed_repeats_its_lives_whatever_else_is_asked_of_it() -> None:
    async def lives(*, scripted_in_between: bool) -> list[list[tuple[str, float]]]:
        async with _upstream(seed=5) as upstream:
            for _ in range(3):
                await upstream.trigger()
                if scripted_in_between:
                    await upstream.status(await upstream.trigger(life=[[0, "completed"]]))
            log = await upstream.client.get("/simulator/log")
        entries = [httpx.Response(200, text=line).json() for line in log.text.splitlines()]
        return [
            [(step["status"], step["at"]) for step in entry["history"]]
            for entry in entries
            if len(entry["history"]) > 1
        ]

    plain = await lives(scripted_in_between=False)
    assert len(plain) == 3
    assert plain[0] != plain[1]
    assert await lives(scripted_in_between=True) == plain


@pytest.mark.parametrize("headers", [{"X-CONNECTOR-ID": ""}, {"X-CONNECTOR-ID": "connector-unknown"}])
async def test_a_connector_that_is_missing_or_unknown_is_401(headers: dict[str, str]) -> None:
    async with _upstream() as upstream:
        call_sid = await upstream.trigger()
        answer = await upstream.status(call_sid, headers=headers)
        trigger = await upstream.client.post(_ACCOUNT, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid or missing connector ID."})
    assert trigger.status_code == 401


async def test_a_connector_of_another_account_is_401_too() -> None:
    async with _upstream(accounts=_TWO_CONNECTORS) as upstream:
        answer = await upstream.status(
            await upstream.trigger(),
            headers={"X-CONNECTOR-ID": "connector-two"},
            account="/api/v1/acc-two/proj-two/outbound-call",
        )
    assert answer.status_code == 401


@pytest.mark.parametrize("call_sid", ["550e8400-e29b-41d4-a716-446655440000", "OUT-", "out-1", "OUT-a b", "OUT-é"])
async def test_a_malformed_call_sid_is_400(call_sid: str) -> None:
    async with _upstream() as upstream:
        answer = await upstream.status(call_sid)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid call SID format."})


async def test_an_unknown_call_is_404() -> None:
    async with _upstream() as upstream:
        answer = await upstream.status("OUT-550e8400-e29b-41d4-a716-446655440000")
    assert (answer.status_code, answer.json()) == (404, {"error": "Call SID not found."})


async def test_a_call_that_another_connector_or_account_triggered_is_404() -> None:
    async with _upstream(accounts=_TWO_CONNECTORS) as upstream:
        call_sid = await upstream.trigger()
        other_connector = await upstream.status(call_sid, headers={"X-CONNECTOR-ID": "connector-two"})
        other_account = await upstream.status(call_sid, account="/api/v1/acc-two/proj-two/outbound-call")
    assert other_connector.status_code == 404
    assert other_account.status_code == 404


async def test_two_hours_after_its_end_a_call_is_404() -> None:
    async with _upstream() as upstream:
        call_sid = await upstream.trigger(life=[[0, "CREATED"], [10, "busy"]])
        upstream.clock.now += 10 + 7199.9
        kept = await upstream.status(call_sid)
        upstream.clock.now += 0.1
        gone = await upstream.status(call_sid)
    assert (kept.status_code, kept.json()["status"]) == (200, "busy")
    assert gone.status_code == 404


async def test_a_time_lapse_shortens_the_retention_and_planned_lives() -> None:
    async with _upstream(time_lapse=1000) as upstream:
        call_sid = await upstream.trigger()
        # The longest of planned lives is just over an hour, which is 3.7 s here, and the retention is 7.2 s.
        upstream.clock.now += 3.7
        ended = await upstream.status(call_sid)
        upstream.clock.now += 7.2
        gone = await upstream.status(call_sid)
    assert ended.json()["status"] in {"completed", "failed", "no-answer", "busy", "cancelled"}
    assert gone.status_code == 404


async def test_a_call_without_a_terminal_step_never_expires() -> None:
    async with _upstream(retention_seconds=1) as upstream:
        call_sid = await upstream.trigger(life=[[0, "CREATED"], [1, "ringing"]])
        upstream.clock.now += 86_400
        answer = await upstream.status(call_sid)
    assert answer.json()["status"] == "ringing"


async def test_the_share_of_500s_is_kept_and_comes_from_the_seed() -> None:
    async def codes(seed: int) -> list[int]:
        async with _upstream(seed=seed, error_share=0.25) as upstream:
            call_sid = await upstream.trigger(life=[[0, "CREATED"]])
            answers = [await upstream.status(call_sid) for _ in range(200)]
        assert {answer.json().get("error") for answer in answers if answer.status_code == 500} == {_FAILED}
        return [answer.status_code for answer in answers]

    first = await codes(3)
    assert set(first) == {200, 500}
    assert 25 <= first.count(500) <= 80
    assert await codes(3) == first
    assert await codes(4) != first


async def test_a_slow_answer_comes_late_and_tells_the_state_of_then() -> None:
    async with _upstream(slow_share=1, slow_seconds=0.3) as upstream:
        call_sid = await upstream.trigger(life=[[0, "CREATED"], [5, "queued"]])
        asking = asyncio.create_task(upstream.status(call_sid))
        async with asyncio.timeout(10):
            while not (polls := (await upstream.client.get("/simulator/polls")).json())["slow"]:
                pass
        upstream.clock.now += 5
        answer = await asking
    assert polls["total"] == 0
    assert answer.json()["status"] == "queued"


async def test_many_calls_are_triggered_at_once() -> None:
    async with _upstream() as upstream:
        answer = await upstream.client.post(_ACCOUNT, json={"count": 50})
        bare = await upstream.client.post(_ACCOUNT, content=b"")
        one = (await upstream.client.post(_ACCOUNT, json={"count": 1, "to": "+15550100"})).json()
    assert answer.status_code == 201
    assert len(set(answer.json()["call_sids"])) == 50
    assert list(bare.json()) == ["call_sid"]
    assert len(one["call_sids"]) == 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"count": 0}', "count must be"),
        ('{"count": true}', "count must be"),
        ('{"count": 1.5}', "count must be"),
        ('{"life": []}', "life must be"),
        ('{"life": "ringing"}', "life must be"),
        ('{"life": [[0, ""]]}', "a step is"),
        ('{"life": [["0", "queued"]]}', "a step is"),
        ('{"life": [[true, "queued"]]}', "a step is"),
        ('{"life": [[-1, "queued"]]}', "a step is"),
        ('{"life": [[NaN, "queued"]]}', "a step is"),
        ('{"life": [[0, "queued", 1]]}', "a step is"),
        ('{"life": [[2, "CREATED"], [1, "queued"]]}', "must not go backwards"),
    ],
)
async def test_a_trigger_that_makes_no_sense_is_400_and_says_why(body: str, complaint: str) -> None:
    async with _upstream() as upstream:
        answer = await upstream.client.post(_ACCOUNT, content=body)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


async def test_other_paths_and_methods_are_refused_in_json() -> None:
    async with _upstream() as upstream:
        unknown = await upstream.client.get("/nothing/here")
        wrong = await upstream.client.delete(_ACCOUNT)
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Not Found"})
    assert (wrong.status_code, wrong.json()) == (405, {"error": "Method Not Allowed"})


async def test_by_default_times_are_exact_to_the_microsecond() -> None:
    async with _upstream() as upstream:
        call_sid = await upstream.trigger(life=[[0.000001, "CREATED"]])
        upstream.clock.now += 1
        created_at = (await upstream.status(call_sid)).json()["created_at"]
    assert created_at == "2024-03-15T10:00:00.000001Z"
    assert datetime.fromisoformat(created_at).timestamp() == pytest.approx(1_710_496_800.000001, abs=1e-7)


@pytest.mark.parametrize(
    "nonsense",
    [{"error_share": 1.5}, {"slow_share": -0.1}, {"time_lapse": 0}, {"kept_calls": 0}, {"accounts": ()}],
)
def test_settings_that_make_no_sense_are_refused(nonsense: dict[str, Any]) -> None:
    (name,) = nonsense
    with pytest.raises(ValueError, match=name):
        SimulatorSettings(**nonsense)
