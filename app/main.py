"""The API's process: `uvicorn app.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from app.api import callbacks, calls, deliveries, docs, probes, replay, subscriptions, tenants
from app.api.deps import Backend
from app.api.middleware import BodyLimit, RequestId
from app.api.problems import install_handlers
from app.api.readiness import Readiness
from app.resources import open_resources
from app.settings import Settings, load_settings
from app.telemetry.log import configure_logging

# The largest sensible subscription (metadata of 8 kB, ten headers of 1 kB, a URL of 2 kB) three times over.
MAX_BODY_BYTES = 64 * 1024

_DESCRIPTION = """\
Turns a polled call-status endpoint into signed, ordered webhooks.

Every error is a problem document (RFC 9457). Times are RFC 3339 in UTC. Deliveries are signed as
[Standard Webhooks](https://www.standardwebhooks.com) are. A request may name itself in `X-Request-Id`; the answer
names it again.
"""


def create_app(settings: Settings) -> FastAPI:
    """Make the application. It opens what it needs when it is started, and starts without Redis, if unready."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings) as resources:
            readiness = Readiness(resources.ledger, settings.partitions)
            await readiness.at_boot()
            app.state.backend = Backend(resources, readiness)
            yield

    app = FastAPI(
        title="Ringback",
        version=version("ringback"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    for module in (subscriptions, replay, calls, deliveries, callbacks, tenants, probes, docs):
        app.include_router(module.router)
    docs.mount_assets(app)
    install_handlers(app)
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    app.add_middleware(RequestId)
    app.openapi = cache(partial(docs.describe, app))  # type: ignore[method-assign] # FastAPI's own way to say it
    return app


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for: importing this module needs no settings."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings("api")
    configure_logging(settings.log_level)
    globals()["app"] = create_app(settings)
    return globals()["app"]
