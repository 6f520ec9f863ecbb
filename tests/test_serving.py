"""The tests' own server leaves nothing behind."""

import asyncio
import socket
from urllib.parse import urlsplit

from starlette.responses import Response

from tests.servers import serve

# More than the event loop takes from the first sign of a connection to the server's knowing of it.
_MOST_STEPS = 6


async def test_no_connection_outlives_the_server_whenever_it_was_made() -> None:
    left_open = []
    for steps in range(_MOST_STEPS):
        async with serve(Response()) as base:
            address = urlsplit(base)
            client = socket.create_connection((address.hostname, address.port))
            for _ in range(steps):
                await asyncio.sleep(0)
        with client:
            if not _ended(client):
                left_open.append(steps)
    assert left_open == []


def _ended(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False
