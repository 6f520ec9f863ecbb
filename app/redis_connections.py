"""Connections to Redis that fail in redis-py's words, whatever event loop carries them.

Writing to a connection that was lost a moment ago is an OSError in asyncio's own loop and a RuntimeError in uvloop.
redis-py knows the former alone: the latter would pass by every retry, and by every handler of ours.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class _LossesTold(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        send: Any = super().send_packed_command
        try:
            await send(command, check_health)
        except RuntimeError as error:
            raise RedisConnectionError(f"The connection was lost: {error}") from error


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


def connection_class(url: str) -> type[AbstractConnection]:
    """Return what `ConnectionPool.from_url(url, connection_class=…)` is to be given."""
    return _CLASSES[urlsplit(url).scheme]
