"""Idempotency-Key: a request sent again is answered again and carried out once."""

import asyncio
from typing import Any

import httpx
import pytest

from app.api.batch import PATH
from app.domain.idempotency import fingerprint
from app.resources import Resources
from app.store.once import KEPT_SECONDS, Reserved
from tests.api.client import CALLBACK_URL, SUBSCRIPTIONS, Headers, new_tenant, subscription_body

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'


async def _post(
    api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any], *, key: str = KEY, path: str = SUBSCRIPTIONS
) -> httpx.Response:
    return await api.post(path, headers={**tenant, "Idempotency-Key": key}, json=body)


@pytest.mark.parametrize("path", [SUBSCRIPTIONS, PATH])
async def test_the_same_again_is_answered_with_the_first_answer(
    api: httpx.AsyncClient, tenant: Headers, path: str
) -> None:
    body = subscription_body() if path == SUBSCRIPTIONS else {"items": [subscription_body(), {}]}

    first = await _post(api, tenant, body, path=path)
    again = await _post(api, tenant, body, path=path)

    assert first.is_success
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("location", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)


async def test_a_replay_tells_what_was_then_and_does_nothing(api: httpx.AsyncClient, tenant: Headers) -> None:
    first = await _post(api, tenant, subscription_body())
    await api.delete(first.headers["location"], headers=tenant)

    again = await _post(api, tenant, subscription_body())

    assert again.json() == first.json()
    assert len((await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"]) == 1


async def test_a_key_with_and_without_quotes_is_one(api: httpx.AsyncClient, tenant: Headers) -> None:
    await _post(api, tenant, subscription_body(), key='"abc"')

    assert (await _post(api, tenant, subscription_body(), key="abc")).headers["idempotency-replayed"] == "true"


async def test_another_request_under_the_same_key_is_refused(api: httpx.AsyncClient, tenant: Headers) -> None:
    await _post(api, tenant, subscription_body())

    other_body = await _post(api, tenant, subscription_body(call_sid="OUT-2"))
    other_path = await _post(api, tenant, {"items": [subscription_body()]}, path=PATH)

    assert (other_body.status_code, other_path.status_code) == (422, 422)
    assert other_body.json()["errors"][0]["field"] == "Idempotency-Key"
    assert len((await api.get(SUBSCRIPTIONS, headers=tenant)).json()["items"]) == 1


async def test_keys_of_two_tenants_have_nothing_to_do_with_each_other(api: httpx.AsyncClient, tenant: Headers) -> None:
    mine = await _post(api, tenant, subscription_body())
    theirs = await _post(api, await new_tenant(api, name="other"), subscription_body(call_sid="OUT-2"))

    assert (mine.status_code, theirs.status_code) == (201, 201)


async def test_of_many_at_once_one_is_carried_out(api: httpx.AsyncClient, tenant: Headers) -> None:
    answers = await asyncio.gather(*(_post(api, tenant, subscription_body()) for _ in range(10)))

    made = [one for one in answers if one.status_code == 201 and "idempotency-replayed" not in one.headers]
    assert len(made) == 1
    assert {one.status_code for one in answers} <= {201, 409}


async def test_one_that_is_under_way_is_refused_and_no_longer_than_a_minute(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    body = httpx.Request("POST", "http://x/", json=subscription_body()).content
    tenant_id = await _tenant_id(resources)
    reserved = await resources.once.begin(tenant_id, KEY.strip('"'), fingerprint("POST", f"{SUBSCRIPTIONS}?", body))
    assert isinstance(reserved, Reserved)

    under_way = await _post(api, tenant, subscription_body())

    assert under_way.status_code == 409
    assert under_way.headers["content-type"] == "application/problem+json"
    assert 0 < await resources.ledger.redis.pttl(reserved.name) <= 60_000
    await resources.ledger.redis.delete(reserved.name)
    assert (await _post(api, tenant, subscription_body())).status_code == 201


async def test_who_comes_too_late_does_not_end_anothers_reservation(resources: Resources) -> None:
    first = await resources.once.begin("ten_1", "key", b"mark")
    assert isinstance(first, Reserved)
    await resources.ledger.redis.delete(first.name)
    second = await resources.once.begin("ten_1", "key", b"mark")

    await resources.once.release(first)

    assert isinstance(second, Reserved)
    assert await resources.ledger.redis.get(second.name) == second.record


@pytest.mark.parametrize("body", [subscription_body(call_sid="CA-1"), {"call_sid": "OUT-1"}])
async def test_a_refusal_is_not_kept(api: httpx.AsyncClient, tenant: Headers, body: dict[str, Any]) -> None:
    assert (await _post(api, tenant, body)).status_code == 422

    mended = await _post(api, tenant, subscription_body())

    assert mended.status_code == 201
    assert "idempotency-replayed" not in mended.headers


@pytest.mark.parametrize("key", ["", '""', '"open', "two words", "a,b", "x" * 256, '"ü"'.encode()])
async def test_a_malformed_key_is_refused(api: httpx.AsyncClient, tenant: Headers, key: str | bytes) -> None:
    header = key.encode() if isinstance(key, str) else key
    headers = [*tenant.items()]

    answer = await api.post(
        SUBSCRIPTIONS,
        headers=[*((name.encode(), value.encode()) for name, value in headers), (b"idempotency-key", header)],
        json=subscription_body(),
    )

    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_an_answer_is_kept_for_a_day_and_holds_no_secret(
    api: httpx.AsyncClient, tenant: Headers, resources: Resources
) -> None:
    await _post(api, tenant, subscription_body(headers={"authorization": "Basic bm9ib2R5"}))

    [name] = [one async for one in resources.ledger.redis.scan_iter("rb:{ten_*}:once:*")]

    assert KEPT_SECONDS * 1000 - 60_000 < await resources.ledger.redis.pttl(name) <= KEPT_SECONDS * 1000
    kept = await resources.once.begin(
        await _tenant_id(resources),
        KEY.strip('"'),
        (await resources.ledger.redis.get(name))[4:36],
    )
    assert CALLBACK_URL in str(kept)
    assert "bm9ib2R5" not in str(kept)


async def _tenant_id(resources: Resources) -> str:
    [tenant_id] = await resources.ledger.redis.zrange("rb:tenants", 0, -1)
    return str(tenant_id, "ascii")
