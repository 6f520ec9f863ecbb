"""The yardstick: the plain design, one arq job per poll and stock httpx, written well.

A poll is a job that asks upstream, compares with the snapshot kept in Redis, enqueues a delivery for each new entry and
subscriber, and enqueues itself for the next time. `arq tests.bench.plain.WorkerSettings` runs it, by those settings of
the environment that Ringback's poll worker goes by too.
"""

import asyncio
import json
import logging
import os
from typing import Any

import httpx
import uvloop
from arq import ArqRedis, func
from arq.connections import RedisSettings

from app.domain.dialect import CONNECTOR_HEADER
from tests.bench.plain_keys import snapshot_key, subscribers_key
from tests.builders import ACCOUNT, CONNECTOR, PROJECT

_TERMINAL = {"completed", "failed", "no-answer", "busy", "cancelled"}
# What it needs for as many polls as a core can make of it; more make httpx's pool slow: measured with 20 to 300.
_CONNECTIONS = 50
_PACE_SECONDS = float(os.environ["RINGBACK_POLL_EARLY_SECONDS"])
_KEPT_SECONDS = 604_800


async def poll(context: dict[str, Any], sid: str) -> None:
    """Ask for one call's status, and come back after the pace unless it has ended."""
    redis: ArqRedis = context["redis"]
    client: httpx.AsyncClient = context["client"]
    try:
        answer = await client.get(f"/api/v1/{ACCOUNT}/{PROJECT}/outbound-call/status/{sid}")
        answer.raise_for_status()
        told = answer.json()
    except (httpx.HTTPError, ValueError):
        await redis.enqueue_job("poll", sid, _defer_by=_PACE_SECONDS)
        return
    kept = await redis.get(snapshot_key(sid))
    last = json.loads(kept) if kept else {"event_history": []}
    if told != last:
        await redis.set(snapshot_key(sid), json.dumps(told), ex=_KEPT_SECONDS)
        new = told["event_history"][len(last["event_history"]) :]
        for callback_url in json.loads(await redis.get(subscribers_key(sid)) or "[]"):
            for entry in new:
                await redis.enqueue_job("deliver", callback_url, sid, entry)
    if told["status"] not in _TERMINAL:
        await redis.enqueue_job("poll", sid, _defer_by=_PACE_SECONDS)


async def deliver(context: dict[str, Any], callback_url: str, sid: str, entry: dict[str, str]) -> None:
    """Tell one subscriber of one entry."""
    client: httpx.AsyncClient = context["client"]
    (await client.post(callback_url, json={"call_sid": sid, **entry})).raise_for_status()


async def _open(context: dict[str, Any]) -> None:
    # Two lines for each job would be more than whoever runs this wants to read, and to pay for.
    logging.getLogger("arq.worker").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    context["client"] = httpx.AsyncClient(
        base_url=os.environ["RINGBACK_UPSTREAM_BASE_URL"],
        headers={CONNECTOR_HEADER: CONNECTOR, "accept": "application/json"},
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        timeout=10,
    )


async def _close(context: dict[str, Any]) -> None:
    await context["client"].aclose()


# Any: arq's protocol of a coroutine takes any arguments.
_JOBS: tuple[Any, ...] = (poll, deliver)
# arq takes the loop that is set when it makes its worker.
asyncio.set_event_loop(uvloop.new_event_loop())


class WorkerSettings:
    """arq's settings: as many polls under way as there are connections, and no result kept that nobody reads."""

    functions = tuple(func(job, keep_result=0) for job in _JOBS)
    redis_settings = RedisSettings.from_dsn(os.environ["RINGBACK_REDIS_URL"])
    on_startup = _open
    on_shutdown = _close
    max_jobs = _CONNECTIONS
    poll_delay = 0.1
    keep_result = 0
    log_results = False
