"""What an operator is told of a Redis that answers and refuses."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.dev.embedded_redis import EmbeddedRedis
from app.redis.refusals import cause_of
from tests.workers.redis_trouble import with_a_script_that_does_not_end, without_disk, without_replicas


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(without_replicas, "NOREPLICAS"), (without_disk, "MISCONF"), (with_a_script_that_does_not_end, "BUSY")],
)
async def test_a_refusal_is_told_by_its_code(
    tmp_path: Path, trouble: Callable[[EmbeddedRedis], AbstractAsyncContextManager[None]], code: str
) -> None:
    with EmbeddedRedis(tmp_path, append_only=False) as server:
        async with Redis.from_url(server.url) as client, trouble(server):
            with pytest.raises(ResponseError) as refused:
                await client.set("key", "1")
    assert cause_of(refused.value) == code


def test_anything_else_is_told_by_its_kind() -> None:
    assert cause_of(ResponseError("unknown command")) == "ResponseError"
    assert cause_of(OSError("I/O error")) == "OSError"
