"""Scripts of other origins: none may read answers, but those of origins that the operator has named."""

import httpx
import pytest

from tests.api.client import SUBSCRIPTIONS, new_tenant, running, subscription_body
from tests.conftest import MakeSettings

CONSOLE = "https://console.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-request-id",
}


def _cross_origin(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def test_without_the_setting_no_origin_is_let_in(api: httpx.AsyncClient) -> None:
    answers = [
        await api.options(SUBSCRIPTIONS, headers={"Origin": CONSOLE} | PREFLIGHT),
        await api.get(SUBSCRIPTIONS, headers={"Origin": CONSOLE}),
        await api.get("/healthz", headers={"Origin": CONSOLE}),
    ]

    assert [answer.status_code for answer in answers] == [405, 401, 200]
    assert [_cross_origin(answer) for answer in answers] == [{}, {}, {}]


async def test_a_named_origin_may_ask_and_read_refusals_too(make_settings: MakeSettings) -> None:
    async with running(make_settings(cors_origins=f"{CONSOLE},http://localhost:3000")) as api:
        tenant = await new_tenant(api)
        origin = {"Origin": CONSOLE}
        preflight = await api.options(SUBSCRIPTIONS, headers=origin | PREFLIGHT)
        answers = [
            await api.post(SUBSCRIPTIONS, headers=origin | tenant, json=subscription_body()),
            await api.get(SUBSCRIPTIONS, headers=origin),
            await api.get("/nowhere", headers=origin),
            await api.post(SUBSCRIPTIONS, headers=origin | tenant, content=b" " * 70_000),
        ]

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == CONSOLE
    assert preflight.headers["x-request-id"]
    assert "access-control-allow-credentials" not in preflight.headers
    assert [answer.status_code for answer in answers] == [201, 401, 404, 413]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == CONSOLE
        assert {"Location", "Retry-After", "X-Request-Id"} <= set(
            answer.headers["access-control-expose-headers"].split(", ")
        )
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", f"{CONSOLE}.evil.example", "null", "http://console.example.com", f"{CONSOLE}:8443"],
)
async def test_no_other_origin_is_let_in_beside_it(make_settings: MakeSettings, origin: str) -> None:
    async with running(make_settings(cors_origins=CONSOLE)) as api:
        preflight = await api.options(SUBSCRIPTIONS, headers={"Origin": origin} | PREFLIGHT)
        answer = await api.get("/healthz", headers={"Origin": origin})

    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers
