"""The listener's server, inside the runner's own event loop."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from app.dev.embedded_redis import HOST
from app.dev.runner.errors import NotReady

# A deliver worker keeps its connections between two events of a call.
_KEEP_ALIVE_SECONDS = 75


@asynccontextmanager
async def listening(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """Serve `app` on a loopback port. Raises NotReady.

    The server is driven by hand: uvicorn's own loop would take over the signals, which are the runner's.
    """
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, an answer in two
    # packets takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise NotReady(f"the listener cannot have port {port}: {error.strerror}.") from error
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            yield
        finally:
            await server.shutdown(sockets=[listener])
