"""What the API is measured against: FastAPI, the same body validated, one write to Redis, and nothing else."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from redis.asyncio import Redis

from app.api.schemas.subscription import NewSubscription

# With the deadlines that whoever runs such a service sets: without them a Redis that hangs hangs every request.
redis = Redis.from_url(os.environ["RINGBACK_REDIS_URL"], socket_timeout=5, socket_connect_timeout=5)


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await redis.aclose()


app = FastAPI(openapi_url=None, lifespan=_lifespan)


@app.get("/readyz")
async def ready() -> Response:
    return Response()


@app.post("/v1/subscriptions", status_code=201)
async def subscribe(wanted: NewSubscription) -> Response:
    written = wanted.model_dump_json()
    await redis.set(f"bare:{wanted.call_sid}", written)
    return Response(written, 201, media_type="application/json")
