"""The API at the limit of its Redis: what would store something new is refused in clear words, all else goes on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.api.batch import PATH as BATCH
from app.dev.embedded_redis import EmbeddedRedis
from app.main import create_app
from app.resources import Resources, open_resources
from app.settings import Settings
from tests.api.client import (
    ADMIN,
    SUBSCRIPTIONS,
    TENANTS,
    Headers,
    new_tenant,
    running,
    subscribe,
    subscription_body,
    tenant_body,
)
from tests.api.delivering import DELIVERIES, delivery_id, subscribed_to_ended_call
from tests.api.test_mirror import ask
from tests.builders import CALL_SID
from tests.conftest import MakeSettings
from tests.store.keys import everything

ROTATE = "/v1/signing-secrets/rotate"
# What is refused, as a method and a path, and with what body; `ten_`, `sub_`, `dlv_` and `key_` stand for the scene's.
REFUSED: dict[str, Any] = {
    f"POST {SUBSCRIPTIONS}": subscription_body(call_sid="OUT-2"),
    f"POST {BATCH}": {"items": [subscription_body(call_sid=f"OUT-{number}") for number in range(20)]},
    f"PATCH {SUBSCRIPTIONS}/sub_": {"paused": True},
    f"POST {ROTATE}": {},
    f"POST {TENANTS}": tenant_body(),
    f"PATCH {TENANTS}/ten_": {"name": "other"},
    f"POST {TENANTS}/ten_/api-keys": {"name": "second"},
    # Last, for nothing is there after it.
    f"DELETE {TENANTS}/ten_": None,
}
# What goes on, and its status. What ends or moves what is there takes no room; the last two end what others need.
GOES_ON: dict[str, int] = {
    f"GET {SUBSCRIPTIONS}": 200,
    f"GET {SUBSCRIPTIONS}/sub_": 200,
    "GET /v1/signing-secrets": 200,
    "GET /v1/tenant": 200,
    "GET /v1/destinations": 200,
    f"GET {DELIVERIES}": 200,
    f"GET {DELIVERIES}/dlv_": 200,
    "GET /v1/calls": 200,
    f"GET /v1/calls/{CALL_SID}": 200,
    f"GET /v1/calls/{CALL_SID}/events": 200,
    f"GET /v1/calls/{CALL_SID}/stream": 200,
    "GET /v1/export/calls": 200,
    f"GET {TENANTS}": 200,
    f"GET {TENANTS}/ten_": 200,
    f"GET {TENANTS}/ten_/api-keys": 200,
    "GET /v1/admin/overview": 200,
    "GET /v1/admin/destinations": 200,
    "GET /healthz": 200,
    "GET /readyz": 200,
    "GET /metrics": 200,
    f"POST {SUBSCRIPTIONS}/sub_/replay": 202,
    f"POST {DELIVERIES}/retry": 202,
    f"POST {DELIVERIES}/dlv_/retry": 202,
    "POST /v1/callbacks/test": 200,
    f"DELETE {SUBSCRIPTIONS}/sub_": 204,
    f"DELETE {TENANTS}/ten_/api-keys/key_": 204,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The API on a Redis of its own, and a tenant whose requests are bounded, which writes with each."""

    api: httpx.AsyncClient
    resources: Resources
    settings: Settings
    tenant: Headers
    subscription_id: str
    tenant_id: str
    key_id: str

    async def send(self, request: str, body: Any = None, **headers: str) -> httpx.Response:
        method, path = request.split()
        named = {"ten_": self.tenant_id, "sub_": self.subscription_id, "key_": self.key_id}
        named["dlv_"] = delivery_id(self.subscription_id, 1)
        path = "/".join(named.get(part, part) for part in path.split("/"))
        whose = ADMIN if path.startswith("/v1/admin") else self.tenant
        if request == "POST /v1/callbacks/test":
            body = {"callback_url": "http://127.0.0.1:9/"}
        return await self.api.request(method, path, headers={**whose, **headers}, json=body)

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        await self.resources.ledger.redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            await self.resources.ledger.redis.config_set("maxmemory", 0)


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("full"), appendfsync="no") as server:
        yield server


@pytest.fixture
async def scene(make_settings: MakeSettings, own_redis: EmbeddedRedis) -> AsyncIterator[Scene]:
    settings = make_settings(redis_url=own_redis.url)
    async with open_resources(settings) as resources:
        await resources.ledger.redis.flushall()
        async with running(settings) as api:
            tenant = await new_tenant(api, quotas={"requests_per_second": 1000})
            made = await subscribed_to_ended_call(api, tenant, resources)
            [shown] = (await api.get(TENANTS, headers=ADMIN)).json()["items"]
            [key] = (await api.get(f"{TENANTS}/{shown['id']}/api-keys", headers=ADMIN)).json()["items"]
            yield Scene(api, resources, settings, tenant, made, shown["id"], key["id"])


def check_refusal(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 10
    said = answer.json()
    assert said["type"] == "urn:ringback:problem:storage-takes-no-writes"
    assert "nothing of this request was stored" in said["detail"]
    assert "redis" not in answer.text.lower()


async def _values(resources: Resources) -> dict[bytes, bytes]:
    """Return what is stored, but for what says that a key was used."""
    kept = await everything(resources)
    return {name: value for name, (value, _) in kept.items() if not name.endswith((b":tenant", b":rate"))}


def test_every_route_is_spoken_of() -> None:
    stand_ins = {"subscription_id": "sub_", "tenant_id": "ten_", "key_id": "key_", "delivery_id": "dlv_"}
    stand_ins["call_sid"] = CALL_SID
    routes = {
        f"{method.upper()} {path.format_map(stand_ins)}"
        for path, methods in create_app(Settings()).openapi()["paths"].items()
        for method in methods
        # The mirror, which knows no tenant, is asked below; a stream without an end only reads, as a call's does.
        if not path.startswith("/api/") and path != "/v1/stream"
    }
    assert routes == REFUSED.keys() | GOES_ON.keys()


async def test_what_would_be_stored_is_refused_and_nothing_of_it_is_kept(scene: Scene) -> None:
    before = await _values(scene.resources)
    async with scene.full():
        for request, body in REFUSED.items():
            check_refusal(await scene.send(request, body))
    assert await _values(scene.resources) == before
    for request, body in REFUSED.items():
        assert (await scene.send(request, body)).is_success


async def test_all_else_goes_on(scene: Scene) -> None:
    # The use of the key is to be noted once more, which is a write as each request's count is.
    await scene.resources.ledger.redis.hdel(f"rb:{{{scene.tenant_id}}}:tenant", f"u{scene.key_id[4:]}")
    async with scene.full():
        answers = {request: (await scene.send(request)).status_code for request in GOES_ON}
        mirrored = await ask(scene.api)
    assert answers == GOES_ON
    assert mirrored.status_code == 200


async def test_a_request_under_a_key_is_refused_and_its_key_stays_free(scene: Scene) -> None:
    body = subscription_body(call_sid="OUT-2")
    named = {"Idempotency-Key": '"once"'}
    async with scene.full():
        for _ in range(2):
            check_refusal(await scene.send(f"POST {SUBSCRIPTIONS}", body, **named))
    made = await scene.send(f"POST {SUBSCRIPTIONS}", body, **named)
    assert made.status_code == 201
    assert (await scene.send(f"POST {SUBSCRIPTIONS}", body, **named)).content == made.content


async def test_what_is_there_is_found_again(scene: Scene) -> None:
    """Registering what is registered stores nothing."""
    async with scene.full():
        again = await scene.send(f"POST {SUBSCRIPTIONS}", subscription_body())
    assert (again.status_code, again.json()["id"]) == (200, scene.subscription_id)


async def test_an_api_starts_beside_a_full_redis(scene: Scene) -> None:
    async with scene.full(), running(scene.settings) as another:
        assert (await another.get("/readyz")).status_code == 200
        found = await another.get(f"{SUBSCRIPTIONS}/{scene.subscription_id}", headers=scene.tenant)
        assert found.status_code == 200


async def test_a_redis_that_only_reads_is_read(scene: Scene) -> None:
    """As after a failover, for as long as the address still leads to the one that became a replica."""
    await scene.resources.ledger.redis.replicaof("127.0.0.1", 9)
    try:
        check_refusal(await scene.send(f"POST {SUBSCRIPTIONS}", subscription_body(call_sid="OUT-2")))
        assert (await scene.send(f"GET {SUBSCRIPTIONS}/sub_")).status_code == 200
    finally:
        await scene.resources.ledger.redis.replicaof("NO", "ONE")
    await subscribe(scene.api, scene.tenant, call_sid="OUT-2")
