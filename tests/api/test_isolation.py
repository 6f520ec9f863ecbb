"""No tenant can learn that another exists: every address of the API, asked with another's key and another's ids."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.domain.breaker import breaker_name, destination_of
from app.domain.dialect import STATUS_PATH
from app.resources import Resources
from tests.api.client import (
    ADMIN,
    CALLBACK_URL,
    SUBSCRIPTIONS,
    TENANTS,
    Headers,
    new_tenant,
    subscribe,
    subscription_body,
)
from tests.api.delivering import delivery_id, subscribed_to_ended_call
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, PROJECT

Operation = tuple[str, str]

OTHER_SID = "OUT-of-the-stranger"
UNKNOWN_SID = "OUT-550e8400-e29b-41d4-a716-446655440001"
OTHER_CONNECTOR = "connector-of-the-stranger"
CALLBACK = {"callback_url": "http://127.0.0.1:9/hooks"}

# Addresses that lead to one thing, by its id, with a body that would be accepted.
BY_ID: dict[Operation, dict[str, Any] | None] = {
    ("GET", "/v1/subscriptions/{subscription_id}"): None,
    ("PATCH", "/v1/subscriptions/{subscription_id}"): {"paused": True},
    ("DELETE", "/v1/subscriptions/{subscription_id}"): None,
    ("POST", "/v1/subscriptions/{subscription_id}/replay"): {},
    ("GET", "/v1/calls/{call_sid}"): None,
    ("GET", "/v1/calls/{call_sid}/events"): None,
    ("GET", "/v1/deliveries/{delivery_id}"): None,
    ("POST", "/v1/deliveries/{delivery_id}/retry"): None,
}
# Lists, with those of their filters that name a thing, and what else is read without naming anything.
LISTS: dict[Operation, tuple[str, ...]] = {
    ("GET", "/v1/subscriptions"): ("call_sid",),
    ("GET", "/v1/calls"): (),
    ("GET", "/v1/deliveries"): ("call_sid", "subscription_id"),
    ("GET", "/v1/export/calls"): (),
    ("GET", "/v1/signing-secrets"): (),
    ("GET", "/v1/destinations"): (),
    ("GET", "/v1/tenant"): (),
}
# What a tenant does on its own.
DEEDS: dict[Operation, dict[str, Any]] = {
    ("POST", "/v1/subscriptions"): subscription_body(),
    ("POST", "/v1/subscriptions/batch"): {"items": [subscription_body()]},
    ("POST", "/v1/deliveries/retry"): {},
    ("POST", "/v1/callbacks/test"): CALLBACK,
    ("POST", "/v1/signing-secrets/rotate"): {},
}
ADMINS: dict[Operation, dict[str, Any] | None] = {
    ("POST", "/v1/admin/tenants"): {"name": "x", "account_id": "a", "project_id": "p", "connector_id": "c"},
    ("GET", "/v1/admin/tenants"): None,
    ("GET", "/v1/admin/tenants/{tenant_id}"): None,
    ("PATCH", "/v1/admin/tenants/{tenant_id}"): {"name": "x"},
    ("DELETE", "/v1/admin/tenants/{tenant_id}"): None,
    ("POST", "/v1/admin/tenants/{tenant_id}/api-keys"): {},
    ("GET", "/v1/admin/tenants/{tenant_id}/api-keys"): None,
    ("DELETE", "/v1/admin/tenants/{tenant_id}/api-keys/{key_id}"): None,
    ("GET", "/v1/admin/overview"): None,
    ("GET", "/v1/admin/destinations"): None,
}
TENANTS_OWN = {**BY_ID, **dict.fromkeys(LISTS), **DEEDS}
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")}
# Looked at in tests/live/test_streams.py: an answer without an end needs a connection.
STREAMS = {("GET", "/v1/calls/{call_sid}/stream"), ("GET", "/v1/stream")}
MIRROR = {("GET", STATUS_PATH)}

every_operation_of_a_tenant = pytest.mark.parametrize("operation", list(TENANTS_OWN), ids=" ".join)
every_operation_by_id = pytest.mark.parametrize("operation", list(BY_ID), ids=" ".join)


@dataclass(frozen=True, slots=True)
class Scene:
    """Two tenants of one API: the owner's things by the names of the parameters that lead to them, and the stranger."""

    api: httpx.AsyncClient
    resources: Resources
    owner: Headers
    stranger: Headers
    owned: Mapping[str, str]

    @property
    def unknown(self) -> dict[str, str]:
        """Ids that nobody has; each differs from the owner's in one character."""
        subscription = _other_end(self.owned["subscription_id"])
        return {
            "subscription_id": subscription,
            "delivery_id": delivery_id(subscription, 5),
            "call_sid": UNKNOWN_SID,
            "tenant_id": _other_end(self.owned["tenant_id"]),
            "key_id": _other_end(self.owned["key_id"]),
        }

    async def ask(
        self, headers: Headers, operation: Operation, ids: Mapping[str, str], body: Any = None, **query: str
    ) -> httpx.Response:
        method, path = operation
        named = {"X-Request-Id": "the-same"} | headers
        return await self.api.request(method, path.format(**ids), headers=named, json=body, params=query)

    async def commands(self) -> dict[str, int]:
        """How often each command has been carried out by Redis so far."""
        counted: dict[str, int] = {}
        while True:
            told: dict[str, dict[str, int]] = await self.resources.ledger.redis.info("commandstats")
            before, counted = counted, {name: one["calls"] for name, one in told.items() if name != "cmdstat_info"}
            if counted == before:
                return counted
            # A doorbell of an earlier request may still be rung, and nobody tells when it has been.
            await asyncio.sleep(0.05)

    async def commands_of(self, headers: Headers, operation: Operation, ids: Mapping[str, str]) -> dict[str, int]:
        """What a request makes Redis do."""
        before = await self.commands()
        await self.ask(headers, operation, ids, BY_ID[operation])
        after = await self.commands()
        return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def _other_end(one: str) -> str:
    return one[:-1] + ("0" if one[-1] != "0" else "1")


def _shown(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    return answer.status_code, dict(answer.headers), answer.text


@pytest.fixture
async def scene(api: httpx.AsyncClient, resources: Resources) -> Scene:
    owner, stranger = await new_tenant(api), await new_tenant(api, name="Stranger", connector_id=OTHER_CONNECTOR)
    subscription = await subscribed_to_ended_call(api, owner, resources)
    await subscribe(api, stranger, call_sid=OTHER_SID)
    tenant_id = (await api.get(TENANTS, headers=ADMIN)).json()["items"][0]["id"]
    key_id = (await api.get(f"{TENANTS}/{tenant_id}/api-keys", headers=ADMIN)).json()["items"][0]["id"]
    destination = destination_of(CALLBACK_URL)
    await resources.breakers.failed(breaker_name(tenant_id, destination), "503", probe=False)
    owned = {
        "subscription_id": subscription,
        "delivery_id": delivery_id(subscription, 5),
        "call_sid": CALL_SID,
        "tenant_id": tenant_id,
        "key_id": key_id,
        "destination": destination,
    }
    return Scene(api, resources, owner, stranger, owned)


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), path


async def test_every_address_of_the_api_is_looked_at_here(api: httpx.AsyncClient) -> None:
    documented = set(_operations((await api.get("/openapi.json")).json()))

    assert documented == {*TENANTS_OWN, *ADMINS} | OPEN | MIRROR | STREAMS


async def test_the_owner_finds_everything_that_others_are_refused(scene: Scene) -> None:
    for operation, body in BY_ID.items():
        if operation[0] != "DELETE":
            answer = await scene.ask(scene.owner, operation, scene.owned, body)
            assert answer.is_success, (operation, answer.text)


@every_operation_by_id
async def test_anothers_id_answers_as_an_unknown_one(scene: Scene, operation: Operation) -> None:
    foreign = await scene.ask(scene.stranger, operation, scene.owned, BY_ID[operation])
    unknown = await scene.ask(scene.stranger, operation, scene.unknown, BY_ID[operation])

    assert foreign.status_code == 404
    assert _shown(foreign) == _shown(unknown)


@every_operation_by_id
async def test_anothers_id_takes_the_same_work_as_an_unknown_one(scene: Scene, operation: Operation) -> None:
    # The scripts are loaded, and the use of the key is noted.
    await scene.commands_of(scene.stranger, operation, scene.unknown)

    foreign = await scene.commands_of(scene.stranger, operation, scene.owned)
    unknown = await scene.commands_of(scene.stranger, operation, scene.unknown)

    assert foreign == unknown
    assert foreign


@every_operation_by_id
async def test_what_is_wrong_with_a_request_is_told_alike(scene: Scene, operation: Operation) -> None:
    for body, query in ((b"{", {}), (b'{"nothing": 1}', {}), (None, {"nothing": "1"})):
        headers = scene.stranger | {"X-Request-Id": "the-same", "Content-Type": "application/json"}
        method, path = operation
        answers = [
            await scene.api.request(method, path.format(**ids), headers=headers, content=body, params=query)
            for ids in (scene.owned, scene.unknown)
        ]
        assert _shown(answers[0]) == _shown(answers[1])


@pytest.mark.parametrize("operation", list(LISTS), ids=" ".join)
async def test_no_list_shows_anothers_things(scene: Scene, operation: Operation) -> None:
    owners = (await scene.ask(scene.owner, operation, {})).text
    strangers = await scene.ask(scene.stranger, operation, {})

    assert strangers.status_code == 200
    assert any(one in owners for one in scene.owned.values()) or "signing-secrets" in operation[1]
    assert not [one for one in scene.owned.values() if one in strangers.text]
    for name in LISTS[operation]:
        foreign = await scene.ask(scene.stranger, operation, {}, **{name: scene.owned[name]})
        unknown = await scene.ask(scene.stranger, operation, {}, **{name: scene.unknown[name]})
        assert foreign.json()["items"] == []
        assert _shown(foreign) == _shown(unknown)


async def test_secrets_are_each_tenants_own(scene: Scene) -> None:
    listed = [
        {one["id"] for one in (await scene.ask(tenant, ("GET", "/v1/signing-secrets"), {})).json()["items"]}
        for tenant in (scene.owner, scene.stranger)
    ]

    assert all(listed)
    assert not listed[0] & listed[1]


async def _everything(scene: Scene) -> list[str]:
    """Return all that the owner can read."""
    reads = [operation for operation in TENANTS_OWN if operation[0] == "GET"]
    return [(await scene.ask(scene.owner, operation, scene.owned)).text for operation in reads]


async def test_whatever_a_stranger_does_changes_nothing_of_the_owners(scene: Scene) -> None:
    before = await _everything(scene)

    for operation, body in TENANTS_OWN.items():
        answer = await scene.ask(scene.stranger, operation, scene.owned, body)
        assert answer.status_code < 500
        assert scene.owned["subscription_id"] not in answer.text
        assert scene.owned["delivery_id"] not in answer.text

    assert await _everything(scene) == before


async def test_the_same_call_under_other_credentials_is_another_call(scene: Scene) -> None:
    """Knowing a SID gives access to nothing: what the stranger subscribes to is not what the owner follows."""
    made = await subscribe(scene.api, scene.stranger)

    seen = (await scene.ask(scene.stranger, ("GET", "/v1/calls/{call_sid}"), scene.owned)).json()
    assert made["id"] != scene.owned["subscription_id"]
    assert (seen["status"], seen["event_history"], seen["polling"]["polls"]) == (None, [], 0)


async def test_the_mirror_knows_a_call_by_its_credential_alone(scene: Scene) -> None:
    names = {"account_id": ACCOUNT, "project_id": PROJECT}
    [mirror] = MIRROR

    async def told(connector: str, call_sid: str) -> tuple[int, dict[str, str], str]:
        return _shown(await scene.ask({"X-CONNECTOR-ID": connector}, mirror, {**names, "call_sid": call_sid}))

    assert (await told(CONNECTOR, CALL_SID))[0] == 200
    assert (await told(OTHER_CONNECTOR, CALL_SID))[0] == 404
    assert await told(OTHER_CONNECTOR, CALL_SID) == await told(OTHER_CONNECTOR, UNKNOWN_SID)


def _wrong_keys(key: str) -> dict[str, Headers]:
    """Return what does not open: nothing, nonsense, and a key that is right but for its last character."""
    return {
        "none": {},
        "empty": {"Authorization": "Bearer "},
        "nonsense": {"Authorization": "Bearer nonsense"},
        "almost": {"Authorization": key[:-1] + ("A" if key[-1] != "A" else "B")},
        "basic": {"Authorization": key.replace("Bearer", "Basic")},
        "non-ascii": {"Authorization": "Bearer é"},
    }


@every_operation_of_a_tenant
async def test_only_a_tenants_key_opens_a_tenants_address(scene: Scene, operation: Operation) -> None:
    body = TENANTS_OWN[operation]
    nothing = _shown(await scene.ask({}, operation, scene.owned, body))

    assert nothing[0] == 401
    for headers in (*_wrong_keys(scene.owner["Authorization"]).values(), ADMIN):
        for ids in (scene.owned, scene.unknown):
            refused = await scene.ask(_latin(headers), operation, ids, body)
            assert _shown(refused) == nothing, headers


@pytest.mark.parametrize("operation", list(ADMINS), ids=" ".join)
async def test_only_the_admin_key_opens_an_operators_address(scene: Scene, operation: Operation) -> None:
    body = ADMINS[operation]
    nothing = _shown(await scene.ask({}, operation, scene.owned, body))

    assert nothing[0] == 401
    for headers in (*_wrong_keys(ADMIN["Authorization"]).values(), scene.owner, scene.stranger):
        for ids in (scene.owned, scene.unknown):
            refused = await scene.ask(_latin(headers), operation, ids, body)
            assert _shown(refused) == nothing, headers
    assert (await scene.api.get(SUBSCRIPTIONS, headers=scene.owner)).status_code == 200


def _latin(headers: Headers) -> Any:
    return {name: value.encode("latin-1") for name, value in headers.items()}
