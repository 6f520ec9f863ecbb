"""The poll worker: `arq workers.poll.WorkerSettings`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.domain.cadence import Pace
from app.outbound.upstream import open_upstream
from app.queue import POLL_DUE, POLL_QUEUE
from app.resources import Resources
from app.settings import Settings, load_settings
from app.store.upstream_budgets import UpstreamBudgets
from app.store.watches import ClaimedPoll
from workers.claims import HORIZON_SECONDS, ClaimLoop
from workers.politeness import Politeness
from workers.poller import Poller
from workers.runtime import Kind, worker_settings
from workers.spans import PollSpans


def pace(settings: Settings) -> Pace:
    """Return the cadence that the settings ask for; a maximum left at its default is never below its minimum."""
    return Pace(
        early=settings.poll_early_seconds,
        early_max=max(settings.poll_early_seconds, settings.poll_early_max_seconds),
        in_progress=settings.poll_in_progress_seconds,
        in_progress_max=max(settings.poll_in_progress_seconds, settings.poll_in_progress_max_seconds),
        error_max=settings.poll_error_max_seconds,
        not_found_grace=settings.not_found_grace_seconds,
        watch_max=settings.watch_max_seconds,
    )


def politeness(resources: Resources) -> Politeness:
    """Return what spares the upstream, as the settings ask for it."""
    settings, rate = resources.settings, resources.settings.upstream_max_rps
    return Politeness(
        watches=resources.watches,
        clock=resources.ledger.clock,
        pace=pace(settings),
        timeout_seconds=settings.upstream_timeout_seconds,
        budgets=UpstreamBudgets(resources.ledger, rate) if rate else None,
    )


@asynccontextmanager
async def open_loop(resources: Resources) -> AsyncIterator[ClaimLoop[ClaimedPoll]]:
    settings, clock = resources.settings, resources.ledger.clock
    async with open_upstream(
        settings.upstream_base_url,
        timeout_seconds=settings.upstream_timeout_seconds,
        now=clock.now,
    ) as upstream:
        poller = Poller(
            watches=resources.watches,
            upstream=upstream,
            clock=clock,
            doorbell=resources.deliver_doorbell,
            news=resources.news,
            pace=pace(settings),
            politeness=politeness(resources),
            spans=PollSpans(resources.tracing, settings.upstream_base_url) if resources.tracing else None,
        )
        work = poller.work(
            places=settings.upstream_max_connections,
            timeout_seconds=settings.upstream_timeout_seconds,
            horizon_seconds=HORIZON_SECONDS,
        )
        yield ClaimLoop(work, clock, resources.poll_doorbell.ring)


KIND = Kind(
    name="poll",
    queue_name=POLL_QUEUE,
    function=POLL_DUE,
    open_loop=open_loop,
    count_due=lambda resources: resources.watches.count_due,
    longest_seconds=lambda settings: settings.upstream_timeout_seconds,
)


def __getattr__(name: str) -> dict[str, Any]:
    """Make `WorkerSettings` when arq asks for it: importing this module needs no settings."""
    if name == "WorkerSettings":
        return worker_settings(KIND, load_settings("poll"))
    raise AttributeError(name)
