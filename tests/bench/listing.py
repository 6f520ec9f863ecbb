"""A hundred thousand subscriptions listed by cursor while others are added and removed.

Over REST, with and without a filter, by one reader from beginning to end, while two writers register and delete
others. Whatever was there all the time has to appear exactly once.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import click
import httpx

from tests.bench.registrations import installation, serving

_SUBSCRIPTIONS = 100_000
_BATCH = 1000
_LIMIT = 200
_PATH = "/v1/subscriptions"
_CALLBACK = "https://crm.example.com/hooks"
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Listing:
    """How one listing went; `added` and `removed` happened while it went on."""

    filter: str
    kept_throughout: int
    exactly_once: int
    missing: int
    repeated: int
    pages: int
    added: int
    removed: int
    seconds: float
    slowest_page_ms: float


def report() -> list[dict[str, Any]]:
    """Measure, print, and return the rows."""
    rows = asyncio.run(_measure())
    click.echo(f"{_SUBSCRIPTIONS:,} subscriptions listed {_LIMIT} at a time while others were added and removed")
    for row in rows:
        click.echo(
            f"  {row.filter or 'no filter':<14} {row.exactly_once:,} of {row.kept_throughout:,} exactly once,"
            f" {row.missing} missing, {row.repeated} repeated; meanwhile {row.added:,} added, {row.removed:,} removed;"
            f" {row.pages:,} pages in {row.seconds:.1f} s, slowest {row.slowest_page_ms:.0f} ms"
        )
    return [asdict(row) for row in rows]


async def _measure() -> list[Listing]:
    async with AsyncExitStack() as stack:
        settings, key, folder = await installation(stack)
        url, _ = await stack.enter_async_context(serving("app.main:app", settings, folder))
        headers = {"authorization": f"Bearer {key}"}
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=60))
        kept = [one for number in range(_SUBSCRIPTIONS // _BATCH) for one in await _register(client, f"kept-{number}")]
        passing = [one for number in range(10) for one in await _register(client, f"passing-{number}")]
        half = len(passing) // 2
        return [
            await _list_beside_writers(client, frozenset(kept), passing[:half], ""),
            await _list_beside_writers(client, frozenset(kept), passing[half:], "active"),
        ]


async def _register(client: httpx.AsyncClient, name: str) -> list[str]:
    items = [{"call_sid": f"OUT-{name}-{number}", "callback_url": _CALLBACK} for number in range(_BATCH)]
    answer = await client.post(f"{_PATH}/batch", content=json.dumps({"items": items}), headers=_JSON)
    return [one["subscription"]["id"] for one in answer.raise_for_status().json()["items"]]


async def _list_beside_writers(
    client: httpx.AsyncClient, kept: frozenset[str], to_remove: list[str], status: str
) -> Listing:
    written = Counter[str]()
    over = asyncio.Event()

    async def add() -> None:
        while not over.is_set():
            wanted = {"call_sid": f"OUT-{status}-{written['added']}", "callback_url": _CALLBACK}
            (await client.post(_PATH, json=wanted)).raise_for_status()
            written["added"] += 1

    async def remove() -> None:
        for one in to_remove:
            if over.is_set():
                return
            (await client.delete(f"{_PATH}/{one}")).raise_for_status()
            written["removed"] += 1

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(add())
        group.create_task(remove())
        seen, page_seconds = await _list_all(client, status, over.set)
    found = Counter({one: count for one, count in seen.items() if one in kept})
    return Listing(
        status,
        len(kept),
        sum(count == 1 for count in found.values()),
        len(kept) - len(found),
        sum(count > 1 for count in found.values()),
        len(page_seconds),
        written["added"],
        written["removed"],
        time.perf_counter() - started,
        max(page_seconds) * 1000,
    )


async def _list_all(
    client: httpx.AsyncClient, status: str, at_end: Callable[[], None]
) -> tuple[Counter[str], list[float]]:
    """Follow the cursors to the end; returns how often each id appeared, and how long each page took."""
    seen = Counter[str]()
    seconds = []
    query = {"limit": str(_LIMIT)} | ({"status": status} if status else {})
    cursor: str | None = ""
    while cursor is not None:
        begun = time.perf_counter()
        answer = await client.get(_PATH, params=query | ({"cursor": cursor} if cursor else {}))
        page = answer.raise_for_status().json()
        seconds.append(time.perf_counter() - begun)
        seen.update(one["id"] for one in page["items"])
        cursor = page["next_cursor"]
    at_end()
    return seen, seconds
