"""What a refusal looks like, whatever it is of."""

from typing import Any

import httpx

from tests.api.client import ADMIN, Headers

PROBLEM = "application/problem+json"


def keys_for(path: str, tenant: Headers) -> Headers:
    return ADMIN if path.startswith("/v1/admin/") else tenant


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Check that a request was refused with a problem of one of these statuses, and return it."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-request-id"]
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return problem
