"""What redis-py's connections do wrong, ours do right."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import DataError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.redis.connections import open_pool

# More than a command takes from its start to its end, once connected.
_MOST_STEPS = 12


async def test_no_cancellation_is_lost_whenever_it_comes(redis_url: str) -> None:
    pool = open_pool(redis_url, socket_timeout=5)
    client = Redis.from_pool(pool)
    swallowed = []
    try:
        for steps in range(_MOST_STEPS):
            await client.ping()
            command = asyncio.ensure_future(client.set("key", "value"))
            for _ in range(steps):
                await asyncio.sleep(0)
            asked = command.cancel()
            await asyncio.wait({command})
            if asked and not command.cancelled():
                swallowed.append(steps)
        assert swallowed == []
        assert await client.get("key") == b"value"
    finally:
        await client.aclose()


async def test_commands_are_packed_as_redis_py_does_it(redis_url: str) -> None:
    client = Redis.from_pool(open_pool(redis_url, socket_timeout=5))
    try:
        await client.mset({"text": "ä", "bytes": b"\x00", "whole": 12, "fraction": 0.5})
        assert await client.mget("text", "bytes", "whole", "fraction") == ["ä".encode(), b"\x00", b"12", b"0.5"]
        assert await client.script_exists(await client.script_load("return 1")) == [True]
        with pytest.raises(DataError):
            await client.execute_command("SET", "nothing", None)
    finally:
        await client.aclose()


async def test_a_redis_that_reads_nothing_is_given_up() -> None:
    done = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The two commands with which redis-py introduces itself.
        await reader.readuntil(b"LIB-VER")
        writer.write(b"+OK\r\n+OK\r\n")
        await done.wait()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, limit=2**16)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    client = Redis.from_pool(open_pool(url, socket_timeout=0.2))
    try:
        with pytest.raises(RedisTimeoutError, match="writing"):
            await client.set("key", bytes(64 * 2**20))
    finally:
        done.set()
        await client.aclose()
        server.close()
        await server.wait_closed()
