"""What goes wrong, as problem documents (RFC 9457). One table says which error is which status."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as RoutingError
from starlette.responses import Response

from app.api.rate_limits import rate_limit_headers
from app.domain.errors import RingbackError
from app.service.errors import Conflict, InvalidField, NoSuch, TooManyRequests
from app.store.codec import UnknownLayout
from app.store.connection import PartlyWritten, StoreTakesNoWrites, StoreUnavailable, WrongPartitions
from app.store.layouts import NewerLayout

MEDIA_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "x-request-id"
_WRONG_METHOD = 405
_INTERNAL = 500
# Whoever sends a thousand unknown fields is helped as well by the first few.
_MOST_ERRORS = 20

log = logging.getLogger(__name__)


class Unauthorized(RingbackError):
    """No key, or not the right one."""


class BadHeader(RingbackError):
    """A header of the request that cannot be read."""


class UnsupportedBody(RingbackError):
    """A body that does not say that it is JSON."""


class BodyTooLarge(HTTPException):
    """More body than is read. An `HTTPException`, since FastAPI takes any other error of a body for a parser's."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is longer than {limit} bytes.")


_STATUSES: dict[type[Exception], int] = {
    BadHeader: 400,
    Unauthorized: 401,
    NoSuch: 404,
    Conflict: 409,
    BodyTooLarge: 413,
    UnsupportedBody: 415,
    InvalidField: 422,
    TooManyRequests: 429,
    StoreUnavailable: 503,
    WrongPartitions: 503,
    NewerLayout: 503,
    UnknownLayout: 503,
    Exception: 500,
}
_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
# What is said in place of an error's own message where that is the operator's business.
_DISCREET = {
    500: "Something went wrong here. It has been logged under the request's id.",
    503: "Ringback cannot reach its store at this moment: try again.",
}
# Of a store that can be read and not written to: what of the request was done, which decides how to send it again.
_NO_WRITES: dict[type[Exception], str] = {
    StoreTakesNoWrites: "Ringback's storage takes nothing new at this moment, and nothing of this request was stored:"
    " send it again later. What is stored can be read.",
    PartlyWritten: "Ringback's storage takes nothing new at this moment. Some of this request was done, the rest was"
    " not: send the same again later, and the rest is done too.",
}
_NO_WRITES_TITLE = "Storage takes no writes"
# Room is made by an operator, or by calls whose retention is over.
_NO_WRITES_RETRY_SECONDS = 10
_ROUTING = {
    400: "The body cannot be read as JSON.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "1"},
}
# Our words for what pydantic says of a field as a programmer would.
_MESSAGES = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="The field, with dots between its levels.", examples=["callback_url"])
    message: str = Field(examples=["callback_url must start with https, not http."])


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(
        description="A stable name of the kind of problem.", examples=["urn:ringback:problem:invalid-request"]
    )
    title: str = Field(examples=["Invalid request"])
    status: int = Field(description="The HTTP status, repeated.", examples=[422])
    detail: str = Field(description="What went wrong this time, for a person.", examples=["callback_url is refused."])
    errors: list[FieldError] | None = Field(None, description="With status 422 only: what is wrong with which field.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems."""
    return {status: {"model": Problem, "description": _TITLES[status]} for status in statuses}


def located(what: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers 201 and says where the new thing is."""
    headers = {"Location": {"description": "Its address.", "required": True, "schema": {"type": "string"}}}
    return {201: {"description": what, "headers": headers}}


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    title: str = "",
) -> Response:
    """Return the answer that tells of a problem, whose type is made of its title: the status' own unless given."""
    title = title or _TITLES.get(status, "Error")
    name = title.lower().replace(" ", "-")
    document: dict[str, Any] = {
        "type": f"urn:ringback:problem:{name}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = [error.model_dump() for error in errors]
    # Pure ASCII: what is quoted of a request may be half of a surrogate pair.
    content = json.dumps(document)
    return Response(content, status, {**_HEADERS.get(status, {}), **(headers or {})}, MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Let every error that reaches the framework end as a problem document."""
    for error in (RoutingError, RequestValidationError, *_STATUSES):
        app.add_exception_handler(error, answer)


async def answer(request: Request, error: Exception) -> Response:
    """Return the answer to a request that has failed."""
    match error:
        case RoutingError():
            detail = _ROUTING.get(error.status_code, str(error.detail))
            allowed = _allowed(request) if error.status_code == _WRONG_METHOD else ""
            return problem(error.status_code, detail, headers={"Allow": allowed} if allowed else error.headers)
        case RequestValidationError():
            return _invalid_request(error.errors())
        case InvalidField():
            return problem(422, str(error), errors=[FieldError(field=error.name, message=str(error))])
        case TooManyRequests():
            return problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    request_id = getattr(request.state, "request_id", "")
    if status in _DISCREET:
        # A Redis that is away is trouble that passes, and told of with each request that meets it.
        log.log(
            logging.ERROR if status == _INTERNAL else logging.WARNING,
            "a request failed",
            exc_info=error if status == _INTERNAL else None,
            extra={"request_id": request_id, "reason": str(error) if isinstance(error, RingbackError) else ""},
        )
    if said := _NO_WRITES.get(type(error)):
        return problem(status, said, headers={"Retry-After": str(_NO_WRITES_RETRY_SECONDS)}, title=_NO_WRITES_TITLE)
    # The outermost answers pass no middleware of ours.
    passed_by = {REQUEST_ID_HEADER: request_id} if request_id else {}
    headers = {**passed_by, **rate_limit_headers(request.scope)} if status == _INTERNAL else None
    return problem(status, _DISCREET.get(status, str(error)), headers=headers)


def _allowed(request: Request) -> str:
    """Return every method of the address; the framework knows those of the first route there only."""
    path = getattr(request.scope.get("route"), "path", "")
    return ", ".join(method.upper() for method in request.app.openapi()["paths"].get(path, ()))


def _invalid_request(errors: Sequence[Mapping[str, Any]]) -> Response:
    first = errors[0]
    if first["type"] == "json_invalid":
        return problem(400, f"The body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}.")
    found = [
        FieldError(field=_field(error["loc"]), message=_MESSAGES.get(error["type"], f"{error['msg']}."))
        for error in errors[:_MOST_ERRORS]
    ]
    return problem(422, f"{found[0].field}: {found[0].message}", errors=found)


def _field(location: Sequence[str | int]) -> str:
    """Name the field at pydantic's location, whose first part says where in the request."""
    parts = [str(part) for part in location[1:] if part != "[key]"]
    return ".".join(parts) or str(location[0])
