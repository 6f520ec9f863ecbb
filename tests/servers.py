"""Real HTTP for tests: any ASGI application on a loopback port of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve `app`, its lifespan included, and yield its base URL, such as "http://127.0.0.1:40123".

    The port is any that is free, unless one is named because it was another server's before.

    The server is driven by hand: uvicorn's own loop would take over the process's signals (several servers
    would leave each other's handlers behind) and would look for its end ten times a second. Requests that are
    still running at the end are cancelled after a second.
    """
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, an answer in two
    # packets takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            app,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        try:
            await server.startup(sockets=[listener])
        except SystemExit as refusal:
            raise RuntimeError("the application's lifespan failed; its log says why") from refusal
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await stop_accepting([listener])
            await server.shutdown(sockets=[listener])


async def stop_accepting(listeners: Iterable[socket.socket]) -> None:
    """Accept no more, and return once every connection that was accepted is known to its server.

    asyncio would lose those on the way there when their server is closed, and leave their sockets to the collector.
    """
    for listener in listeners:
        asyncio.get_running_loop().remove_reader(listener)
    # One turn of the loop makes their transports, another one their protocols.
    for _ in range(2):
        await asyncio.sleep(0)
