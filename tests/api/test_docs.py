"""The OpenAPI document, and the page that shows it without the outside world."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.api.schemas.event import DeliveredEvent
from app.api.webhooks import event_examples
from app.domain.dialect import STATUS_PATH
from app.domain.event import FINAL_NAMES
from tests.api.client import ADMIN, TENANTS, Headers

METHODS = {"get", "post", "put", "patch", "delete"}


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


@pytest.fixture
async def document(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/openapi.json")
    assert answer.status_code == 200
    read: dict[str, Any] = answer.json()
    return read


async def test_the_page_loads_nothing_from_outside(api: httpx.AsyncClient) -> None:
    page = await api.get("/docs")

    assert page.status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->|https?://ringback\.test", "", page.text)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for address in (*loaded, "/openapi.json"):
        answer = await api.get(address)
        assert (answer.status_code, len(answer.content) > 500) == (200, True)
    # The script's own default is a badge that a public service draws.
    assert '"validatorUrl": null' in page.text


async def test_the_browser_is_told_to_load_nothing_from_outside(api: httpx.AsyncClient) -> None:
    policy = (await api.get("/docs")).headers["content-security-policy"]

    sources = {word for rule in policy.split("; ") for word in rule.split(" ")[1:]}
    assert policy.startswith("default-src 'none'")
    assert sources <= {"'none'", "'self'", "'unsafe-inline'", "data:"}


async def test_behind_a_prefix_the_page_still_finds_its_parts(api: httpx.AsyncClient) -> None:
    transport = api._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.root_path = "/ringback"

    page = (await api.get("/ringback/docs")).text

    assert "url: '/ringback/openapi.json'" in page
    assert 'src="/ringback/docs/assets/swagger-ui-bundle.js"' in page


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert references
    for reference in references:
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind]


async def test_every_operation_is_described_with_its_answers(document: dict[str, Any]) -> None:
    names = []
    for path, _, operation in _operations(document):
        names.append(operation["operationId"])
        assert operation["description"]
        for status, answer in operation["responses"].items():
            assert answer["description"]
            if int(status) >= 400 and path != STATUS_PATH:
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
                }
        if path.startswith("/v1/"):
            assert {"401", "422", "500", "503"} <= set(operation["responses"])
            assert ("429" in operation["responses"]) == (not path.startswith("/v1/admin/"))
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(operation["responses"])
        if "{" in path:
            assert "404" in operation["responses"]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


async def test_answers_are_described_with_their_headers(document: dict[str, Any]) -> None:
    expected = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After", "201": "Location"}
    for path, _, operation in _operations(document):
        keyed = [one["name"] for one in operation.get("parameters", ()) if one["name"] == "Idempotency-Key"]
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            if path.startswith("/v1/") and status in expected:
                assert expected[status] in answer["headers"]
            if operation.get("security") == [{"TenantKey": []}] and status != "401":
                assert {"RateLimit", "RateLimit-Policy"} <= set(answer["headers"])
            assert ("Idempotency-Replayed" in answer["headers"]) == (bool(keyed) and status.startswith("2"))


async def test_sections_are_in_order_and_none_is_without_a_description(document: dict[str, Any]) -> None:
    sections = [tag["name"] for tag in document["tags"]]
    used = [operation["tags"] for _, _, operation in _operations(document)]

    assert all(tag["description"] for tag in document["tags"])
    assert list(dict.fromkeys(name for [name] in used)) == sections


async def test_every_body_has_an_example_that_is_accepted(
    api: httpx.AsyncClient, tenant: Headers, document: dict[str, Any]
) -> None:
    for path, method, operation in _operations(document):
        if "requestBody" not in operation:
            continue
        shape = operation["requestBody"]["content"]["application/json"]["schema"]
        reference = shape.get("$ref") or shape["anyOf"][0]["$ref"]
        examples = document["components"]["schemas"][reference.rpartition("/")[2]]["examples"]
        headers = ADMIN if path.startswith(TENANTS) else tenant
        for example in examples:
            answer = await api.request(method, path, headers=headers, json=example)
            assert answer.status_code in (200, 201, 202, 404), (path, example, answer.text)
        assert examples


TYPES = "created queued ringing in_progress completed failed no_answer busy cancelled lost"


async def test_there_is_a_webhook_for_each_type_of_event(document: dict[str, Any]) -> None:
    known = [f"call.{name}" for name in TYPES.split()]

    assert list(document["webhooks"]) == [*known, "call.{status}", "ping"]
    for name, hook in document["webhooks"].items():
        operation = hook["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert [one["name"] for one in operation["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]
        assert "2XX" in operation["responses"]
        if name.startswith("call."):
            assert {"3XX", "410", "429", "503", "default"} <= set(operation["responses"])
            assert body["schema"]["$ref"] == "#/components/schemas/DeliveredEvent"
            assert body["example"]["data"]["final"] == (name.removeprefix("call.") in FINAL_NAMES)
        if name in known:
            assert body["example"]["type"] == name == body["schema"]["properties"]["type"]["const"]
    assert document["webhooks"]["call.lost"]["post"]["requestBody"]["content"]["application/json"]["example"]["data"][
        "reason"
    ]


async def test_the_examples_are_what_their_schema_describes_and_nothing_beside_it() -> None:
    for example in event_examples().values():
        told = DeliveredEvent.model_validate_json(json.dumps(example), strict=True, extra="forbid")
        assert told.model_dump(exclude_unset=True) == example


async def test_every_operation_names_the_key_it_needs(document: dict[str, Any]) -> None:
    for path, _, operation in _operations(document):
        if path.startswith("/v1/admin/"):
            assert operation["security"] == [{"AdminKey": []}]
        elif path.startswith("/v1/"):
            assert operation["security"] == [{"TenantKey": []}]
        else:
            assert "security" not in operation
    schemes = document["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer"}


async def test_subscribing_documents_both_of_its_good_answers(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/subscriptions"]["post"]

    shape = {"schema": {"$ref": "#/components/schemas/Subscription"}}
    for status in ("200", "201"):
        assert operation["responses"][status]["content"] == {"application/json": shape}
    assert "Location" in operation["responses"]["201"]["headers"]
    assert {"400", "413", "415", "422"} <= set(operation["responses"])
    wanted = document["components"]["schemas"]["NewSubscription"]
    assert wanted["required"] == ["call_sid", "callback_url"]
    assert wanted["additionalProperties"] is False
    assert wanted["examples"]
