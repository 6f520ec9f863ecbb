"""What tests of deliveries say to the API, and what workers hear of it."""

from typing import Any

import httpx

from app.queue import DELIVER_QUEUE
from app.resources import Resources
from tests.api.client import Headers, subscribe
from tests.builders import LIFE
from tests.store.polling import poll

DELIVERIES = "/v1/deliveries"
# Below the client's own time-out for an answer.
_PATIENCE_SECONDS = 4


async def subscribed_to_ended_call(api: httpx.AsyncClient, tenant: Headers, resources: Resources, **fields: Any) -> str:
    """Subscribe to a call that then ends, with five events to deliver; return the subscription's id."""
    made = await subscribe(api, tenant, **fields)
    await poll(resources, resources.subscriptions.partition_of_call(made["call_sid"]), LIFE)
    one: str = made["id"]
    return one


def delivery_id(subscription_id: str, sequence: int) -> str:
    return f"dlv_{subscription_id[4:]}000{sequence}"


async def statuses(api: httpx.AsyncClient, tenant: Headers, **query: Any) -> dict[int, str]:
    """List deliveries, and return the status of each by its sequence."""
    answer = await api.get(DELIVERIES, headers=tenant, params=query)
    assert answer.status_code == 200, answer.text
    return {one["sequence"]: one["status"] for one in answer.json()["items"]}


async def rung_for(resources: Resources) -> int:
    """Wait for the deliver doorbell, and return the partition that it names."""
    rung = await resources.queue.bzpopmin(DELIVER_QUEUE, _PATIENCE_SECONDS)
    assert rung, "nobody rang"
    return int(rung[1].decode().split(":")[1])


async def retry_failed(api: httpx.AsyncClient, tenant: Headers, **wanted: Any) -> dict[str, Any]:
    """Ask for everything failed to be sent again, and return the answer."""
    answer = await api.post(f"{DELIVERIES}/retry", headers=tenant, json=wanted or None)
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.json()
    return said
