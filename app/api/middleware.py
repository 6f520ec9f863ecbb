"""What every request passes: its id, and the bound on its body."""

import os
import re
import sys
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import REQUEST_ID_HEADER, BodyTooLarge, problem
from app.domain.errors import RingbackError
from app.telemetry.log import bind

_HEADER = REQUEST_ID_HEADER.encode()
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """Gives a request the id that its caller named, or one of ours, and names it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = _header(scope, _HEADER)
        request_id = named if _USABLE_ID.fullmatch(named) else os.urandom(16).hex()
        header = (_HEADER, request_id.encode())
        scope.setdefault("state", {})["request_id"] = request_id
        # Never taken back: a server runs each request in a task of its own, and its last words are about this one too.
        bind(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*(one for one in message["headers"] if one[0] != _HEADER), header]
            await send(message)

        await self._app(scope, receive, send_with_id)


class PlainRefusal:
    """Has a server tell in one line, which is in the log by then, that it was refused: not in a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_plainly(message: Message) -> None:
            # Starlette tells of a failed start while it handles the error.
            if message["type"] == "lifespan.startup.failed" and isinstance(sys.exc_info()[1], RingbackError):
                message = {"type": message["type"], "message": ""}
            await send(message)

        await self._app(scope, receive, send_plainly)


class BodyLimit:
    """Reads no more of a body than `limit` bytes, whatever length it declares; `larger` are other bounds by path.

    Starlette's own limit would answer in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"].removeprefix(scope.get("root_path", "")), self._limit)
        declared = _header(scope, b"content-length")
        if declared.isdecimal() and int(declared) > limit:
            refusal = BodyTooLarge(limit)
            await problem(refusal.status_code, refusal.detail)(scope, receive, send)
            return
        read = 0

        async def receive_bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise BodyTooLarge(limit)
            return message

        await self._app(scope, receive_bounded, send)


def _header(scope: Scope, name: bytes) -> str:
    """Return a header's value, empty when there is none; `name` in lower case, as a server hands them over."""
    for one, value in scope["headers"]:
        if one == name:
            return str(value, "latin-1")
    return ""
