"""The OpenAPI document, and the page that shows it without the outside world."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

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
            if int(status) >= 400:
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
                }
        if path.startswith("/v1/"):
            assert {"401", "503"} <= set(operation["responses"])
    assert len(set(names)) == len(names)
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


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
