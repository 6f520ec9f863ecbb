"""The deliver worker: `arq workers.deliver.WorkerSettings`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.queue import DELIVER_DUE, DELIVER_QUEUE
from app.resources import Resources
from app.settings import load_settings
from app.store.deliveries import ClaimedOutbox
from workers.attempts import Attempts
from workers.claims import HORIZON_SECONDS, ClaimLoop
from workers.deliverer import Deliverer
from workers.destinations import Destinations
from workers.runtime import Kind, worker_settings
from workers.signing_keys import SigningKeys
from workers.spans import AttemptSpans


@asynccontextmanager
async def open_loop(resources: Resources) -> AsyncIterator[ClaimLoop[ClaimedOutbox]]:
    settings, clock = resources.settings, resources.ledger.clock
    deliverer = Deliverer(
        deliveries=resources.deliveries,
        subscriptions=resources.subscriptions,
        attempts=Attempts(resources.callbacks, clock, AttemptSpans(resources.tracing) if resources.tracing else None),
        destinations=Destinations(
            resources.breakers,
            clock,
            places=settings.delivery_max_connections,
            places_each=settings.delivery_max_per_destination,
        ),
        keys=SigningKeys(resources.signing_secrets, clock),
        clock=clock,
        doorbell=resources.deliver_doorbell,
        schedule=settings.delivery_retry_seconds,
        timeout_seconds=settings.delivery_timeout_seconds,
    )
    work = deliverer.work(places=settings.delivery_max_connections, horizon_seconds=HORIZON_SECONDS)
    yield ClaimLoop(work, clock, resources.deliver_doorbell.ring)


KIND = Kind(
    name="deliver",
    queue_name=DELIVER_QUEUE,
    function=DELIVER_DUE,
    open_loop=open_loop,
    count_due=lambda resources: resources.deliveries.count_due,
    longest_seconds=lambda settings: settings.delivery_timeout_seconds,
)


def __getattr__(name: str) -> dict[str, Any]:
    """Make `WorkerSettings` when arq asks for it: importing this module needs no settings."""
    if name == "WorkerSettings":
        return worker_settings(KIND, load_settings("deliver"))
    raise AttributeError(name)
