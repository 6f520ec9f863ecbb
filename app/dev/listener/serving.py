"""The listener's server, inside an event loop that others share: it touches no signals.

It differs from any other server in that an application can break a connection off.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A deliver worker keeps its connections between two events of a call.
_KEEP_ALIVE_SECONDS = 75
_CONNECTION = "ringback.connection"
# On, and for no time at all: closing then sends a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[None]:
    """Serve `app`. Raises OSError when the address cannot be had.

    At the end what is still under way is broken off: a delivery that was not answered comes again.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, an answer in two
    # packets takes 40 ms.
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        # By hand: uvicorn's own loop would take over the signals.
        await server.startup(sockets=[listener])
        try:
            yield
        finally:
            # With one that nobody answers it would wait, and complain.
            for connection in tuple(server.server_state.connections):
                if (transport := getattr(connection, "transport", None)) is not None:
                    transport.abort()
            await server.shutdown(sockets=[listener])


def break_off(scope: MutableMapping[str, Any], how: Literal["reset", "close"]) -> None:
    """Close the connection of a request that is being served by `serving`, without an answer."""
    transport: asyncio.Transport = scope[_CONNECTION]
    if how == "reset":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class _Connection(HttpToolsProtocol):
    """Shows an application the connection on which a request came."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]
        scope[_CONNECTION] = self.transport
