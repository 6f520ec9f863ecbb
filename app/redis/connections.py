"""Connections to Redis that fail in redis-py's words, whatever event loop carries them, and lose no cancellation.

Writing to a connection that was lost a moment ago is an OSError in asyncio's own loop and a RuntimeError in uvloop.
redis-py knows the former alone: the latter would pass by every retry, and by every handler of ours.

redis-py writes inside `asyncio.wait_for`: a task for each command, and up to Python 3.11 a cancellation that comes at
the very moment of its end is swallowed. arq cancels its main loop once: a worker that lost this would never end. Here
the same bound is a deadline in the task that writes.

Commands are packed by hiredis, in C: redis-py's asynchronous connections do it in Python, which a script with a
thousand arguments notices.

The same connections serve one Redis, the master that Sentinel names, and the nodes of a cluster (`app.redis.cluster`).
One that turns out to lead to a replica is closed, and the command fails as if it had been lost: also where the refusal
comes out of a script, which redis-py does not recognise. A new one asks Sentinel who is master, or follows the address,
which leads to the new master after a failover: the old one may live on, and its connections with it.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.redis.cluster import SteadyCluster
from app.redis.urls import ClusterRedis, OneRedis, SentinelRedis, parse_redis_url

# What a replica answers to a write, and one that has lost its master to anything: 6.2 tells it within a script's error.
_OF_A_REPLICA = ("READONLY", "MASTERDOWN")
# Of a sentinel little is asked, and the next one is at hand.
_SENTINEL_SECONDS = 2.0


class MasterIsReplica(RedisConnectionError):
    """What is asked to write is a replica, and the connection to it is closed."""


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
                if writer is None:
                    raise RedisConnectionError("The connection was closed meanwhile.")  # noqa: TRY301 -- like any loss
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

    async def read_response(self, *args: Any, **options: Any) -> Any:
        untyped: Any = super()
        try:
            return await untyped.read_response(*args, **options)
        except ResponseError as error:
            if not isinstance(error, ReadOnlyError) and not any(code in str(error) for code in _OF_A_REPLICA):
                raise
            await self.disconnect(nowait=True)
            raise MasterIsReplica("The master is a replica now.") from error

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


class _ToMaster(_LossesTold):
    async def connect(self) -> None:
        # Without redis-py's retries, which are made for each address as well: one loop around the other.
        untyped: Any = self
        await untyped._connect_retry()  # noqa: SLF001 -- of our own class, where redis-py has put it


class _TcpToMaster(_ToMaster, SentinelManagedConnection):
    """Over TCP, to whom Sentinel says."""


class _TlsToMaster(_ToMaster, SentinelManagedSSLConnection):
    """Over TLS, to whom Sentinel says."""


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Waits for a free connection; when it is closed as a whole, so are the connections to the sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def open_redis(url: str, **options: Any) -> Any:
    """Return a client of whatever the URL names; `options` are redis-py's, and what the URL says counts more.

    Any: redis-py 5 types every answer as the union of its synchronous and its asynchronous client.
    """
    address = parse_redis_url(url)
    if not isinstance(address, ClusterRedis):
        return Redis.from_pool(_open_pool(address, **options))
    # What only a pool knows: how long to wait for a connection, and a question after its health.
    known = {name: one for name, one in options.items() if name not in ("timeout", "health_check_interval")}
    return SteadyCluster(address, _TlsConnection if address.tls else _TcpConnection, **known)


def open_pool(url: str, **options: Any) -> BlockingConnectionPool:
    """Return a pool of connections to one Redis that waits for a free one instead of failing; `options` as above."""
    address = parse_redis_url(url)
    if isinstance(address, ClusterRedis):
        raise TypeError("There is no pool of connections to a cluster.")
    return _open_pool(address, **options)


def _open_pool(address: OneRedis | SentinelRedis, **options: Any) -> BlockingConnectionPool:
    options = {**options, **address.options}
    if isinstance(address, SentinelRedis):
        return _open_master_pool(address, **options)
    if isinstance(address.at, str):
        return BlockingConnectionPool(connection_class=_UnixConnection, path=address.at, **options)
    kind = _TlsConnection if address.tls else _TcpConnection
    return BlockingConnectionPool(connection_class=kind, host=address.at.host, port=address.at.port, **options)


def _open_master_pool(address: SentinelRedis, **options: Any) -> BlockingConnectionPool:
    sentinel_options = {
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        **address.sentinel_options,
    }
    kind = _TlsConnection if address.tls else _TcpConnection
    # redis-py would make clients with connections of its own.
    manager = Sentinel([])
    manager.sentinels = [
        Redis.from_pool(BlockingConnectionPool(connection_class=kind, host=one.host, port=one.port, **sentinel_options))
        for one in address.sentinels
    ]
    untyped: Any = _MasterPool
    pool: BlockingConnectionPool = untyped(
        address.service, manager, connection_class=_TlsToMaster if address.tls else _TcpToMaster, **options
    )
    return pool
