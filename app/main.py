"""The API's process: `uvicorn app.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from app.api import (
    api_keys,
    batch,
    callbacks,
    calls,
    deliveries,
    destinations,
    docs,
    document,
    export,
    mirror,
    operation,
    own_tenant,
    probes,
    replay,
    signing_secrets,
    streams,
    subscriptions,
    tenants,
)
from app.api.access_log import AccessLog
from app.api.connection import Connections
from app.api.cors import allow_origins
from app.api.deps import Backend
from app.api.ending import told_of_the_end
from app.api.housekeeping import housekeeping
from app.api.measuring import Measuring
from app.api.middleware import BodyLimit, PlainRefusal, RequestId
from app.api.problems import install_handlers
from app.api.rate_limits import RateLimitHeaders
from app.api.readiness import Readiness
from app.api.tracing import RequestSpans
from app.console import pages as console
from app.process import settle_in
from app.resources import open_resources
from app.service.beside import beside
from app.settings import Settings, load_settings
from app.telemetry.log import configure_logging

# The largest sensible subscription (metadata of 8 kB, ten headers of 1 kB, a URL of 2 kB) three times over.
MAX_BODY_BYTES = 64 * 1024
# A thousand usual subscriptions with some metadata each; of the largest there is room for about a hundred.
MAX_BATCH_BYTES = 2 * 1024 * 1024


def create_app(settings: Settings) -> FastAPI:
    """Make the application. It opens what it needs when it is started, and starts without Redis, if unready."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings, "api") as resources, resources.vital_signs.published("api"):
            readiness = Readiness(resources.ledger, settings.partitions)
            await readiness.at_boot()
            app.state.backend = Backend(resources, readiness)
            live = resources.service.streams
            async with housekeeping(resources.service.tenants, readiness), beside(live.check_keys()):
                with told_of_the_end(live.end):
                    yield

    app = FastAPI(
        title="Ringback",
        version=version("ringback"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Spans of requests are ours (app/api/tracing.py): FastAPI's tell paths and queries, and are three a request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    for module in (
        batch,
        subscriptions,
        replay,
        calls,
        streams,
        export,
        mirror,
        deliveries,
        destinations,
        callbacks,
        signing_secrets,
        own_tenant,
        tenants,
        api_keys,
        operation,
        probes,
        docs,
        console,
    ):
        app.include_router(module.router)
    docs.mount_assets(app)
    install_handlers(app)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES, larger={batch.PATH: MAX_BATCH_BYTES})
    # Outside of what may refuse a request, so that scripts can read the refusal.
    allow_origins(app, settings.cors_origins)
    if settings.otlp_endpoint:
        app.add_middleware(RequestSpans)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestId)
    app.add_middleware(Measuring)
    app.add_middleware(PlainRefusal)
    app.add_middleware(Connections)
    app.openapi = cache(partial(document.describe, app))  # type: ignore[method-assign] # FastAPI's own way to say it
    return app


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for: importing this module needs no settings."""
    if name != "app":
        raise AttributeError(name)
    settings = load_settings("api")
    configure_logging(settings.log_level, settings.secrets)
    globals()["app"] = create_app(settings)
    settle_in()
    return globals()["app"]
