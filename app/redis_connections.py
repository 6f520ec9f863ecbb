"""Connections to Redis that fail in redis-py's words, whatever event loop carries them, and lose no cancellation.

Writing to a connection that was lost a moment ago is an OSError in asyncio's own loop and a RuntimeError in uvloop.
redis-py knows the former alone: the latter would pass by every retry, and by every handler of ours.

redis-py writes inside `asyncio.wait_for`, which up to Python 3.11 swallows a cancellation that comes at the very moment
of its end. arq cancels its main loop once: a worker that lost this would never end.
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError


class _LossesTold(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        send: Any = super().send_packed_command
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task else 0
        try:
            await send(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"The connection was lost: {error}") from error
        if task and task.cancelling() > cancelled_before:
            # The answer to what was just sent is nobody's.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class _TcpConnection(_LossesTold, Connection):
    """Over TCP."""


class _TlsConnection(_LossesTold, SSLConnection):
    """Over TLS."""


class _UnixConnection(_LossesTold, UnixDomainSocketConnection):
    """Over a Unix domain socket."""


_CLASSES: dict[str, type[AbstractConnection]] = {
    "redis": _TcpConnection,
    "rediss": _TlsConnection,
    "unix": _UnixConnection,
}


def open_pool(url: str, **options: Any) -> BlockingConnectionPool:
    """Return a pool of such connections that waits for a free one instead of failing; `options` are redis-py's."""
    pool = BlockingConnectionPool.from_url(url, **options)
    # Not an option: what redis-py reads from the URL would win.
    pool.connection_class = _CLASSES[urlsplit(url).scheme]
    return pool
