"""The helper through which tests speak real HTTP."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.servers import serve


async def _lifespan_that_fails(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


async def _echo_path(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def test_two_applications_are_served_side_by_side_and_gone_afterwards() -> None:
    async with httpx.AsyncClient() as client:
        async with serve(_echo_path) as first:
            async with serve(_echo_path) as second:
                assert first != second
                assert (await client.get(f"{second}/two")).text == "/two"
            assert (await client.get(f"{first}/one")).text == "/one"
        with pytest.raises(httpx.TransportError):
            await client.get(first)


async def test_an_application_that_cannot_start_is_an_ordinary_error() -> None:
    with pytest.raises(RuntimeError, match="lifespan failed"):
        async with serve(_lifespan_that_fails):
            pytest.fail("it must not be served")
