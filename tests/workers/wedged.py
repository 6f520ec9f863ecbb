"""Workers that stand still, for `arq tests.workers.wedged.<name>`: what arq is given beside our settings does it."""

import asyncio
import time
from typing import Any

from app.settings import load_settings
from workers.poll import KIND
from workers.runtime import worker_settings


async def _never_end(_: dict[Any, Any]) -> None:
    await asyncio.Event().wait()


async def _block(_: dict[Any, Any]) -> None:
    time.sleep(3600)  # noqa: ASYNC251 -- what nobody should do, and somebody does


def __getattr__(name: str) -> dict[str, Any]:
    """Make a worker whose first job never ends and leaves no room for another, or blocks the event loop."""
    ways = {"Jammed": _never_end, "Blocked": _block}
    if name not in ways:
        raise AttributeError(name)
    return worker_settings(KIND, load_settings("poll")) | {"on_job_start": ways[name], "max_jobs": 1}
