"""Connections to Redis that fail in redis-py's words, whatever event loop carries them, and lose no cancellation.

Writing to a connection that was lost a moment ago is an OSError in asyncio's own loop and a RuntimeError in uvloop.
redis-py knows the former alone: the latter would pass by every retry, and by every handler of ours.

redis-py writes inside `asyncio.wait_for`: a task for each command, and up to Python 3.11 a cancellation that comes at
the very moment of its end is swallowed. arq cancels its main loop once: a worker that lost this would never end. Here
the same bound is a deadline in the task that writes.

Commands are packed by hiredis, in C: redis-py's asynchronous connections do it in Python, which a script with a
thousand arguments notices.
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from hiredis import pack_command
from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError
from redis.exceptions import TimeoutError as RedisTimeoutError


class _LossesTold(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        # redis-py types neither of these, nor that there is a writer once there is a connection.
        untyped: Any = self
        if not self.is_connected:
            await untyped.connect()
        elif check_health:
            await untyped.check_health()
        try:
            async with asyncio.timeout(self.socket_timeout):
                writer: Any = self._writer
                writer.writelines([command] if isinstance(command, bytes) else command)
                await writer.drain()
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("Timeout writing to socket") from None
        except (OSError, RuntimeError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"The connection was lost: {error}") from error
        except BaseException:
            # Half a command may have been sent, and the answer to a whole one is nobody's.
            await self.disconnect(nowait=True)
            raise

    def pack_command(self, *args: Any) -> list[bytes]:
        # A command of two words, such as SCRIPT LOAD, comes as one.
        name, *arguments = args
        try:
            return [pack_command((*name.split(), *arguments))]
        except TypeError as error:
            raise DataError(str(error)) from error


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
