"""The upstream's endpoint, answered from what is kept."""

import asyncio
from typing import Any

import httpx
import pytest

from app.domain.cadence import Failed, NotFound, PollOutcome, Unauthorized
from app.domain.dialect import STATUS_PATH
from app.resources import Resources
from tests.api.client import Headers, new_tenant, running, subscribe
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, LIFE, PROJECT, make_document
from tests.conftest import MakeSettings
from tests.store.polling import poll

UNKNOWN = (404, {"error": "Call SID not found."})
REFUSED = (401, {"error": "Invalid or missing connector ID."})
INVALID = (400, {"error": "Invalid call SID format."})
FAILED = (500, {"error": "Failed to retrieve call status. Retry with exponential backoff."})


def mirror_path(call_sid: str = CALL_SID, account_id: str = ACCOUNT, project_id: str = PROJECT) -> str:
    return STATUS_PATH.format(account_id=account_id, project_id=project_id, call_sid=call_sid)


async def ask(
    api: httpx.AsyncClient, call_sid: str = CALL_SID, connector: str | None = CONNECTOR, **names: str
) -> httpx.Response:
    headers = {} if connector is None else {"X-CONNECTOR-ID": connector}
    return await api.get(mirror_path(call_sid, **names), headers=headers)


async def told(api: httpx.AsyncClient, *args: Any, **names: Any) -> tuple[int, Any]:
    """Return the status and the document that the mirror answers."""
    answer = await ask(api, *args, **names)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


async def _polled(resources: Resources, said: Any) -> None:
    await poll(resources, resources.subscriptions.partition_of_call(CALL_SID), said)


async def test_a_followed_call_is_told_of_as_the_upstream_does(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)

    for seen in (LIFE[:2], LIFE[:4], LIFE):
        await _polled(resources, seen)
        assert await told(api) == (200, make_document(pairs=seen))


async def test_it_reads_the_call_once(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    await subscribe(api, tenant)
    await _polled(resources, LIFE)
    await told(api)
    before = await resources.ledger.redis.info("commandstats")

    await told(api)

    after = await resources.ledger.redis.info("commandstats")
    names = ("hgetall", "hvals", "zscore")
    assert [after[f"cmdstat_{name}"]["calls"] - before[f"cmdstat_{name}"]["calls"] for name in names] == [1, 1, 1]


async def test_a_lost_call_keeps_its_last_status(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    await subscribe(api, tenant)
    await _polled(resources, LIFE[:3])
    await _polled(resources, NotFound())

    assert await told(api) == (200, make_document(pairs=LIFE[:3]))


@pytest.mark.parametrize(
    ("said", "answer"), [(NotFound(), UNKNOWN), (Unauthorized(), REFUSED), (Failed("http_500"), FAILED)]
)
async def test_before_the_first_status_the_upstreams_word_is_passed_on(
    *,
    api: httpx.AsyncClient,
    tenant: Headers,
    resources: Resources,
    said: PollOutcome,
    answer: tuple[int, dict[str, str]],
) -> None:
    await subscribe(api, tenant)
    await _polled(resources, said)

    assert await told(api) == answer


async def test_the_first_poll_is_waited_for(api: httpx.AsyncClient, tenant: Headers, resources: Resources) -> None:
    await subscribe(api, tenant)

    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(told(api))
        await asyncio.sleep(0)
        await _polled(resources, LIFE[:1])

    assert asked.result() == (200, make_document(pairs=LIFE[:1]))


async def test_a_call_that_nobody_polls_is_unknown(api: httpx.AsyncClient, tenant: Headers) -> None:
    await subscribe(api, tenant)

    assert await told(api) == UNKNOWN


async def test_a_call_that_nobody_follows_is_unknown(api: httpx.AsyncClient, tenant: Headers) -> None:
    assert tenant
    assert await told(api) == UNKNOWN


@pytest.mark.parametrize("connector", [None, "", "another", " ", "..", "x" * 129])
async def test_a_connector_that_is_missing_or_not_known_is_refused(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources, connector: str | None
) -> None:
    await subscribe(api, tenant)
    await _polled(resources, LIFE)

    followed = await ask(api, CALL_SID, connector)
    unknown = await ask(api, "OUT-never", connector)
    nonsense = await ask(api, "nonsense", connector)

    assert (followed.status_code, followed.json()) == REFUSED
    assert (unknown.content, nonsense.content) == (followed.content, followed.content)


async def test_with_another_known_connector_a_followed_call_is_like_one_that_never_was(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    await _polled(resources, LIFE)
    await new_tenant(api, connector_id="connector-of-a-stranger")

    theirs = await ask(api, CALL_SID, "connector-of-a-stranger")
    never = await ask(api, "OUT-never", "connector-of-a-stranger")

    assert (theirs.status_code, theirs.json()) == UNKNOWN
    assert (never.status_code, never.content) == (theirs.status_code, theirs.content)
    assert await told(api, account_id="another") == REFUSED


async def test_a_connector_of_a_subscription_or_a_changed_tenant_is_known(
    api: httpx.AsyncClient, tenant: Headers
) -> None:
    assert await told(api, "OUT-never", "connector-of-one-call") == REFUSED

    await subscribe(api, tenant, connector_id="connector-of-one-call")

    assert await told(api, "OUT-never", "connector-of-one-call") == UNKNOWN


@pytest.mark.parametrize("sid", ["nonsense", "OUT-", "out-1", "OUT-%20", "OUT-" + "x" * 200, "%F0%9F%92%A5", "OUT-%00"])
async def test_what_is_no_call_sid_is_invalid(api: httpx.AsyncClient, tenant: Headers, sid: str) -> None:
    assert tenant
    assert await told(api, sid) == INVALID


async def test_nothing_more_is_needed_than_the_connector_and_nothing_else_helps(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await subscribe(api, tenant)
    await _polled(resources, LIFE)

    with_key = await api.get(mirror_path(), headers=tenant)
    with_query = await api.get(mirror_path(), params={"any": "thing"}, headers={"X-CONNECTOR-ID": CONNECTOR})

    assert (with_key.status_code, with_key.json()) == REFUSED
    assert with_query.status_code == 200


async def test_without_redis_it_fails_in_the_vendors_words(make_settings: MakeSettings) -> None:
    async with running(make_settings(redis_url="redis://127.0.0.1:9/0")) as api:
        assert await told(api) == FAILED
