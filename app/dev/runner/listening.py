"""The listener's server, inside the runner's own event loop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import ASGIApp

from app.dev.embedded_redis import HOST
from app.dev.listener.serving import serving
from app.dev.runner.errors import NotReady


@asynccontextmanager
async def listening(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """Serve `app` on a loopback port. Raises NotReady."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serving(app, HOST, port))
        except OSError as error:
            raise NotReady(f"the listener cannot have port {port}: {error.strerror}.") from error
        yield
