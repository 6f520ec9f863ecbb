"""The end of an API with open streams: they are told, and it ends at once and in good order."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.dev.embedded_redis import EmbeddedRedis, free_port
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import new_tenant, open_client
from tests.live.reading import Frame, reading
from tests.processes import environment, ringback, until_ready

pytestmark = [pytest.mark.e2e]

# Far below what the server would wait for an answer that has no end.
_SOON_SECONDS = 5.0
_SHUTTING_DOWN = Frame("stream.end", "", {"reason": "shutting_down"})


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as redis:
        yield environment(redis_url=redis.url, admin_key=ADMIN_KEY, encryption_keys=ENCRYPTION_KEY)


@pytest.mark.parametrize("words", [(), ("--workers", "2")], ids=["one process", "two processes"])
async def test_streams_end_with_their_process(settings: dict[str, str], tmp_path: Path, words: tuple[str, ...]) -> None:
    port = free_port()
    api = ringback("api", "--port", str(port), *words, settings=settings, log_path=tmp_path / "api.log")
    url = f"http://127.0.0.1:{port}"
    api.start()
    try:
        await until_ready(api, f"{url}/readyz")
        async with open_client(url, ADMIN_KEY) as admin:
            key = {"Authorization": f"Bearer {(await new_tenant(admin))['api_key']}"}
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            reading(client, "/v1/stream", key) as one,
            reading(client, "/v1/stream", key) as other,
        ):
            api.ask_to_end()
            assert [await one.event(), await other.event()] == [_SHUTTING_DOWN] * 2
            assert await one.event() is None
        assert await api.ended(_SOON_SECONDS) == 0
        assert "Traceback" not in api.output
    finally:
        api.kill()
