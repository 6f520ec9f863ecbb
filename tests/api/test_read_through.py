"""Calls that nobody follows, asked of the upstream by the mirror."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from app.resources import Resources
from app.settings import load_settings
from tests.api.client import new_tenant, running, subscribe
from tests.api.test_mirror import FAILED, INVALID, REFUSED, UNKNOWN, told
from tests.builders import CALL_SID, LIFE, make_body, make_document, make_key
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, MakeSettings
from tests.peers import Reply, Upstream
from tests.servers import serve
from tests.store.polling import poll

JSON = {"content-type": "application/json"}


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def reading(make_settings: MakeSettings, upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    """A running application that asks the scripted upstream."""
    async with (
        serve(upstream) as url,
        running(make_settings(mirror_read_through=True, upstream_base_url=url)) as client,
    ):
        yield client


def _status(**fields: object) -> Reply:
    """Return the upstream's 200 with whole fields replaced or added."""
    return Reply(200, json.dumps(make_document() | fields).encode(), JSON)


async def test_a_call_that_nobody_follows_is_asked_of_the_upstream(
    reading: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.script(CALL_SID, then=_status())

    assert await told(reading) == (200, make_document())
    assert upstream.polls[CALL_SID] == 1


async def test_a_followed_call_is_not(reading: httpx.AsyncClient, upstream: Upstream, resources: Resources) -> None:
    await subscribe(reading, await new_tenant(reading))
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID), LIFE[:3])

    assert await told(reading) == (200, make_document(pairs=LIFE[:3]))
    assert not upstream.polls


async def test_one_that_is_followed_and_not_polled_yet_is(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    await subscribe(reading, await new_tenant(reading))
    upstream.script(CALL_SID, then=_status())

    assert await told(reading) == (200, make_document())


async def test_what_is_nonsense_is_not_asked(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    assert await told(reading, "nonsense") == INVALID
    assert await told(reading, CALL_SID, None) == REFUSED
    assert await told(reading, account_id="...") == REFUSED
    assert not upstream.polls


async def test_many_at_once_and_again_at_once_are_one_request(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    may_answer = asyncio.Event()
    upstream.script(CALL_SID, then=Reply(200, make_body(), JSON, waits_for=may_answer))

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(told(reading)) for _ in range(30)]
        await upstream.until_polled(CALL_SID, 1)
        may_answer.set()
    asked.append(tasks_done := asyncio.ensure_future(told(reading)))
    await tasks_done

    assert [one.result() for one in asked] == [(200, make_document())] * 31
    assert upstream.polls[CALL_SID] == 1


async def test_another_connector_asks_by_itself(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.script(CALL_SID, _status(), then=Reply(401, b'{"error": "no"}', JSON))

    assert (await told(reading))[0] == 200
    assert await told(reading, CALL_SID, "another") == (401, {"error": "no"})
    assert upstream.polls[CALL_SID] == 2


async def test_no_more_are_asked_at_once_than_there_is_room_for(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    may_answer = asyncio.Event()
    sids = [f"OUT-{number}" for number in range(20)]
    for sid in sids:
        reply = Reply(200, make_body(key=make_key(call_sid=sid)), JSON, waits_for=may_answer)
        upstream.script(sid, then=reply)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(told(reading, sid)) for sid in sids]
        await upstream.until(lambda: len(upstream.polls) == len(sids), "a request for each call")
        refused = await reading.get(
            f"/api/v1/a/p/outbound-call/status/{CALL_SID}", headers={"X-CONNECTOR-ID": "connector"}
        )
        may_answer.set()

    assert refused.status_code == 503
    assert (refused.headers["retry-after"], list(refused.json())) == ("1", ["error"])
    assert {one.result()[0] for one in asked} == {200}


async def test_it_is_charged_to_the_budget_of_polls(make_settings: MakeSettings, upstream: Upstream) -> None:
    headers = {"X-CONNECTOR-ID": "connector"}
    async with (
        serve(upstream) as url,
        running(make_settings(mirror_read_through=True, upstream_base_url=url, upstream_max_rps=0.1)) as api,
    ):
        upstream.script(CALL_SID, then=Reply(404, b'{"error": "none"}', JSON))
        upstream.script("OUT-2", then=Reply(404, b'{"error": "none"}', JSON))
        answers = [
            await api.get(f"/api/v1/a/{project}/outbound-call/status/{sid}", headers=headers)
            for project, sid in (("p", CALL_SID), ("p", "OUT-2"), ("another", "OUT-2"))
        ]

    assert [one.status_code for one in answers] == [404, 503, 404]
    assert 1 < int(answers[1].headers["retry-after"]) <= 10
    assert upstream.polls == {CALL_SID: 1, "OUT-2": 1}


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (Reply(404, b'{"error": "none", "more": 1}', JSON), (404, {"error": "none", "more": 1})),
        (Reply(404, b"<html>", {"content-type": "text/html"}), UNKNOWN),
        (Reply(400, b"[]", JSON), INVALID),
        (Reply(401, b""), REFUSED),
        (Reply(500, b'{"error": "broken"}', JSON), (500, {"error": "broken"})),
        (Reply(500, b"oops"), FAILED),
        (Reply(502, b'{"error": "broken"}', JSON), FAILED),
        (Reply(204), FAILED),
        (Reply(302, b"", {"location": "http://127.0.0.1:9/"}), FAILED),
        (Reply(200, b"{}", JSON), FAILED),
        (_status(connector_id="connector-of-a-stranger"), FAILED),
        (_status(call_sid="OUT-another"), FAILED),
        (_status(more="x" * 300_000), FAILED),
    ],
)
async def test_what_the_upstream_says_is_passed_on_if_the_vendor_could_have_said_it(
    reading: httpx.AsyncClient, upstream: Upstream, reply: Reply, answer: tuple[int, object]
) -> None:
    upstream.script(CALL_SID, then=reply)

    assert await told(reading) == answer


@pytest.mark.parametrize(("status", "wait", "told_wait"), [(429, "7", "7"), (503, "86400", "900"), (503, "x", "1")])
async def test_an_upstream_with_too_much_to_do_says_when_to_ask_again(
    *, reading: httpx.AsyncClient, upstream: Upstream, status: int, wait: str, told_wait: str
) -> None:
    upstream.script(CALL_SID, then=Reply(status, b"{}", {"retry-after": wait, "set-cookie": "a=b", **JSON}))

    answer = await reading.get(f"/api/v1/a/p/outbound-call/status/{CALL_SID}", headers={"X-CONNECTOR-ID": "connector"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, told_wait)
    assert "set-cookie" not in answer.headers


async def test_an_upstream_that_is_not_there_has_failed(make_settings: MakeSettings) -> None:
    async with running(make_settings(mirror_read_through=True)) as api:
        assert await told(api) == FAILED


async def test_a_client_that_goes_away_takes_nobody_along(reading: httpx.AsyncClient, upstream: Upstream) -> None:
    may_answer = asyncio.Event()
    upstream.script(CALL_SID, then=Reply(200, make_body(), JSON, waits_for=may_answer))
    leaving = asyncio.create_task(told(reading))
    await upstream.until_polled(CALL_SID, 1)
    staying = asyncio.create_task(told(reading))

    leaving.cancel()
    may_answer.set()

    assert await staying == (200, make_document())
    assert upstream.polls[CALL_SID] == 1


def test_without_the_upstreams_address_the_api_does_not_start() -> None:
    wanted = {"mirror_read_through": True, "admin_key": ADMIN_KEY, "encryption_keys": ENCRYPTION_KEY}

    with pytest.raises(SystemExit, match="RINGBACK_UPSTREAM_BASE_URL is missing") as refusal:
        load_settings("api", **wanted)

    assert "MIRROR_READ_THROUGH" in str(refusal.value)
    assert load_settings("deliver", **wanted).mirror_read_through
