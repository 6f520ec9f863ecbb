"""What redis-py's connections do wrong, ours do right."""

import asyncio

from redis.asyncio import Redis

from app.redis_connections import open_pool

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
