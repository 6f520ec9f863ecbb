"""`Idempotency-Key`: a request that is sent again is answered again, and carried out once.

draft-ietf-httpapi-idempotency-key-header-07. Only an answer that tells of success is kept: after any other the same key
may be used again, for nothing was done under it, or what was done is found again.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.api.deps import asking_tenant, backend_of
from app.api.problems import BadHeader
from app.domain.idempotency import MAX_KEY_LENGTH, Answer, InvalidIdempotencyKey, fingerprint, idempotency_key
from app.service.errors import Conflict, InvalidField
from app.store.connection import StoreUnavailable
from app.store.once import AnotherRequest, OnceStore, Reserved, UnderWay

_HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"

_PATTERN = rf'^(?:"(?:[ !#-\[\]-~]|\\["\\]){{1,{MAX_KEY_LENGTH}}}"|[!#-+\--:<-\[\]-~]{{1,{MAX_KEY_LENGTH}}})$'
# Written out for the document, since a parameter of the route would cost every request.
DOCUMENTED: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A key of your own for this request, in quotes or bare. For 24 hours the same request under "
            f"the same key is answered with the first one's answer, and `{REPLAYED}: true`, and is not carried out "
            "again. 409 while the first one is under way, and for up to a minute after a process that was at it has "
            "died; 422 when the key was used for another request. An answer that is not a success is not kept: the key "
            "may be used again. A batch's answer is a success and kept as a whole, whatever became of its items.",
            "schema": {"type": "string", "pattern": _PATTERN},
            "examples": {"quoted": {"value": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}},
        }
    ]
}

log = logging.getLogger(__name__)


class Once:
    """Carries out a request, or answers as it was answered before."""

    def __init__(self, request: Request, tenant_id: str, store: OnceStore) -> None:
        self._request = request
        self._tenant_id = tenant_id
        self._store = store

    async def do(self, act: Callable[[], Awaitable[Response]]) -> Response:
        """Return what `act` answers; without a key nothing else is done."""
        values = self._request.headers.getlist(_HEADER)
        if not values:
            return await act()
        match await self._begin(values):
            case Answer() as answer:
                return _replay(answer)
            case UnderWay():
                raise Conflict("A request with this Idempotency-Key is under way: try again when it is over.")
            case AnotherRequest():
                raise InvalidField(
                    "Idempotency-Key", "This Idempotency-Key was used for another request: take a new one."
                )
            case Reserved() as reserved:
                return await self._carry_out(reserved, act)

    async def _begin(self, values: list[str]) -> Reserved | UnderWay | AnotherRequest | Answer:
        try:
            key = idempotency_key(values)
        except InvalidIdempotencyKey as error:
            raise BadHeader(str(error)) from error
        url = self._request.url
        target = f"{url.path}?{url.query}"
        marks = fingerprint(self._request.method, target, await self._request.body())
        return await self._store.begin(self._tenant_id, key, marks)

    async def _carry_out(self, reserved: Reserved, act: Callable[[], Awaitable[Response]]) -> Response:
        try:
            response = await act()
        except Exception:
            await self._end(self._store.release(reserved))
            raise
        location, media_type = response.headers.get("location", ""), response.headers.get("content-type", "")
        kept = Answer(response.status_code, media_type, location, bytes(response.body))
        await self._end(self._store.keep(reserved, kept))
        return response

    async def _end(self, ending: Awaitable[None]) -> None:
        """Tell the store how it ended. What was done is done, and is answered as such: the reservation lapses."""
        try:
            await ending
        except StoreUnavailable as error:
            log.warning("the end of a request under a key was not noted", extra={"reason": str(error)})


async def once_of(request: Request) -> Once:
    backend = await backend_of(request)
    return Once(request, asking_tenant(request).id, backend.resources.once)


def _replay(answer: Answer) -> Response:
    headers = {REPLAYED: "true", **({"Location": answer.location} if answer.location else {})}
    return Response(answer.body, answer.status, headers, answer.media_type)
