"""The application: takes deliveries on any path, verifies each signature, and tells what came.

It verifies with the code that signs (`app.domain.signing`), answers 204, or 401 when the signature is wrong, and
keeps nothing. While no secret is known yet it accepts everything and says so.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.dev.listener.behaviour import USUAL, Failure, ListenerBehaviour
from app.dev.listener.received import NoSecret, Received, Rejected, Verdict, Verified, read_delivery
from app.dev.listener.serving import break_off
from app.domain.errors import InvalidSecret, InvalidSignature
from app.domain.signing import verify

# A delivery with twenty metadata entries is a few kilobytes.
_MAX_BODY_BYTES = 1024 * 1024

Secrets = Sequence[str] | Callable[[], Sequence[str]]


def create_listener(
    secrets: Secrets, on_delivery: Callable[[Received], None], behaviour: ListenerBehaviour = USUAL
) -> Starlette:
    """The application. `on_delivery` is called once per request, on the event loop, before it is answered.

    One that resets or closes connections must be served by `app.dev.listener.serving`.
    """
    listener = _Listener(secrets, on_delivery, behaviour)
    return Starlette(routes=[Route("/{path:path}", listener.receive, methods=["POST"])], max_body_size=_MAX_BODY_BYTES)


class _Listener:
    def __init__(self, secrets: Secrets, on_delivery: Callable[[Received], None], behaviour: ListenerBehaviour) -> None:
        self._secrets = secrets
        self._on_delivery = on_delivery
        self._behaviour = behaviour
        self._requests = 0

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        received_at = time.time()
        behaviour = self._next_behaviour()
        verdict = self._judge(request.headers, body, int(received_at))
        rejected = isinstance(verdict, Rejected)
        received = read_delivery(
            body,
            received_at=received_at,
            path=request.url.path,
            verdict=verdict,
            webhook_id=request.headers.get("webhook-id"),
            answer="401" if rejected else behaviour.answer,
        )
        self._on_delivery(received)
        if behaviour.delay_seconds:
            await _gone(request, behaviour.delay_seconds)
        if isinstance(verdict, Rejected):
            return JSONResponse({"error": verdict.reason}, status_code=401)
        if behaviour.failure:
            return await _fail(request, behaviour.failure)
        return Response(status_code=behaviour.status, headers=behaviour.headers)

    def _next_behaviour(self) -> ListenerBehaviour:
        self._requests += 1
        limit = self._behaviour.first_requests
        return self._behaviour if limit is None or self._requests <= limit else USUAL

    def _judge(self, headers: Mapping[str, str], body: bytes, now: int) -> Verdict:
        secrets = self._secrets() if callable(self._secrets) else self._secrets
        if not secrets:
            return NoSecret()
        try:
            verify(secrets, headers, body, now)
        except (InvalidSignature, InvalidSecret) as refusal:
            return Rejected(str(refusal))
        return Verified()


async def _fail(request: Request, failure: Failure) -> Response:
    """Break the connection off, or wait until the other side does, and return what nobody will read."""
    if failure != "hang":
        break_off(request.scope, failure)
    await _gone(request, None)
    return Response(status_code=503)


async def _gone(request: Request, seconds: float | None) -> None:
    """Wait until the other side has gone, for so many seconds at most."""
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass
