"""The OpenAPI document: what the routes say of themselves, and what goes for all of them, said once.

FastAPI writes down what each route takes and gives. Added here are the answers that a key or a request of any
route may be met with, the headers of answers, the media type of problems, the order of the sections and what
receivers are sent.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.idempotency import REPLAYED
from app.api.problems import MEDIA_TYPE, documented
from app.api.webhooks import webhooks

SUMMARY = "Turns a polled call-status endpoint into signed, ordered webhooks."
DESCRIPTION = files("app.api").joinpath("introduction.md").read_text(encoding="utf-8")
TAGS = [
    {"name": "subscriptions", "description": "Which calls' events are sent where. Begin here."},
    {"name": "callbacks", "description": "Try a receiver before the first call."},
    {"name": "signing secrets", "description": "What deliveries are verified with, and how to change it."},
    {"name": "deliveries", "description": "What was sent, what came of it, where it fails, and sending it again."},
    {
        "name": "calls",
        "description": "What is known of the calls that you subscribed to, also when they are long over.",
    },
    {"name": "tenant", "description": "Whose key this is."},
    {"name": "mirror", "description": "The upstream's own endpoint, for code that polls today."},
    {"name": "admin", "description": "Tenants, their keys, and how everything is doing. With the admin key only."},
    {"name": "operation", "description": "For whoever runs Ringback. Without a key."},
]

_TENANT: list[dict[str, list[str]]] = [{"TenantKey": []}]
_PROBLEM = "#/components/schemas/Problem"
_FRAMEWORKS_OWN = "#/components/schemas/HTTPValidationError"
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: the one it came with, or a new one. Name it when you ask for help.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "RateLimit": {
        "description": "Where the tenant's requests are bounded: how many remain (`r`), and after how many seconds "
        'without a request all do (`t`), as in `"requests";r=99;t=1`.',
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "Where they are bounded: how many requests (`q`) within how many seconds (`w`), as in "
        '`"requests";q=100;w=1`.',
        "schema": {"type": "string"},
    },
    REPLAYED: {
        "description": "`true` on an answer that was given before, to a request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
    },
}
_HEADERS_OF = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=SUMMARY,
        description=DESCRIPTION,
        routes=app.routes,
        webhooks=webhooks().routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    document["paths"] = dict(sorted(document["paths"].items(), key=_place))
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] = _responses(operation)
    for hook in document["webhooks"].values():
        answers = dict(_answers(hook["post"]["responses"]))
        # The framework names one status; any that tells of success will do.
        hook["post"]["responses"] = {"2XX": answers.pop("204"), **answers}
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["headers"] = _HEADERS
    return document


def _place(path: tuple[str, dict[str, Any]]) -> tuple[int, str]:
    """Return what to sort by: pages of the document show the sections and what is in them in this order."""
    [first, *_] = path[1].values()
    return [tag["name"] for tag in TAGS].index(first["tags"][0]), path[0]


def _responses(operation: dict[str, Any]) -> dict[str, Any]:
    """Return an operation's answers, in order, with those that any request with a key may get, and the headers."""
    told = dict(_answers(operation["responses"]))
    if "security" in operation:
        for status in (422, 500, *((429,) if operation["security"] == _TENANT else ())):
            described = documented(status)[status]["description"]
            told.setdefault(str(status), _problem(described))
    return {status: {**told[status], "headers": _headers(operation, status, told[status])} for status in sorted(told)}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}}}}


def _headers(operation: dict[str, Any], status: str, answer: dict[str, Any]) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if MEDIA_TYPE in answer.get("content", {}):
        names += _HEADERS_OF.get(status, [])
    if operation.get("security") == _TENANT and status != "401":
        names += ["RateLimit", "RateLimit-Policy"]
    if status.startswith("2") and any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())):
        names.append(REPLAYED)
    own: dict[str, Any] = answer.get("headers", {})
    return own | {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _answers(responses: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for status, response in responses.items():
        shape = response.get("content", {}).get("application/json")
        if status.startswith("2") or shape is None:
            yield status, response
        elif shape["schema"]["$ref"] == _PROBLEM:
            yield status, {**response, "content": {MEDIA_TYPE: shape}}
        elif shape["schema"]["$ref"] != _FRAMEWORKS_OWN:
            yield status, response
        # What is left is FastAPI's own 422, which it lists wherever there is a parameter, even one that takes any text.
