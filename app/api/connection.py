"""The connection that a request came on, for breaking it off: ASGI has no word for that."""

from asyncio import BaseTransport, WriteTransport

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "ringback.connection"


class Connections:
    """Notes each request's connection before anything wraps what the server hands over.

    uvicorn's `receive` is a method of what holds the connection; of another server it may be nothing of the kind, and
    then a reader that is stuck keeps its connection until the system gives it up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if isinstance(transport, BaseTransport):
            scope[_KEY] = transport
        await self._app(scope, receive, send)


def connection_of(scope: Scope) -> WriteTransport | None:
    """Return what a request's answer is written to, None where the server does not show it."""
    connection: WriteTransport | None = scope.get(_KEY)
    return connection
