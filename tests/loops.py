"""The event loop of the tests: it tells when it is closed over connections that are still open."""

import asyncio
import socket
from typing import Any
from weakref import WeakSet


class StrictLoop(asyncio.SelectorEventLoop):
    """Raises AssertionError when it is closed before all its connections are.

    The garbage collector would tell of them too, but in whichever test it happens to run.
    """

    def __init__(self) -> None:
        super().__init__()
        # Not the transports: one that failed to be made is known to nobody, and keeps its socket all the same.
        self._connected: WeakSet[socket.socket] = WeakSet()

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **options: Any) -> Any:
        self._connected.add(sock)
        # The loop's own way to a transport, of which typeshed knows nothing.
        make: Any = super()._make_socket_transport  # type: ignore[misc]
        return make(sock, *args, **options)

    def _make_ssl_transport(self, rawsock: socket.socket, *args: Any, **options: Any) -> Any:
        self._connected.add(rawsock)
        make: Any = super()._make_ssl_transport  # type: ignore[misc]
        return make(rawsock, *args, **options)

    def close(self) -> None:
        super().close()
        left = [one for one in self._connected if one.fileno() >= 0]
        assert not left, f"{len(left)} connections were left open: {left}"
