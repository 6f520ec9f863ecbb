"""Subscribers who change their minds in the middle of a call: what they did, and what they may expect after it.

A request without an answer may be carried out much later, by a process that stood still. So only what was answered at
once is relied on; else the subscriber is as any other.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from tests.faults.office import Office
from tests.judge import Subscriber

# Calls last a few seconds, and most of their events are to come yet.
_CALLED_OFF_AFTER_SECONDS = 0.2
_PAUSE_SECONDS = 2.0
# Longer than anything stands still.
_CARRIED_OUT_LATE_SECONDS = 30.0

# Subscribes and does what it likes; returns the subscriber with what it may expect.
Whim = Callable[[Office, Mapping[str, object], Subscriber], Awaitable[Subscriber]]


async def _cancels(office: Office, wanted: Mapping[str, object], subscriber: Subscriber) -> Subscriber:
    taken = await office.ask("POST", "/v1/subscriptions", wanted)
    if taken is None:
        await office.insist("POST", "/v1/subscriptions", wanted)
        return subscriber
    await asyncio.sleep(_CALLED_OFF_AFTER_SECONDS)
    await office.insist("DELETE", f"/v1/subscriptions/{taken.json()['id']}")
    return replace(subscriber, cancelled=True, silences=((time.time(), math.inf),))


async def _pauses(office: Office, wanted: Mapping[str, object], subscriber: Subscriber) -> Subscriber:
    """It gets other metadata too, which what was sent before must not show when it is sent again."""
    path = f"/v1/subscriptions/{(await office.insist('POST', '/v1/subscriptions', wanted)).json()['id']}"
    paused = await office.ask("PATCH", path, {"paused": True, "metadata": {"turn": "second"}})
    begins = time.time()
    await asyncio.sleep(_PAUSE_SECONDS)
    ends = time.time()
    await office.insist("PATCH", path, {"paused": False})
    if paused:
        return replace(subscriber, silences=((begins, ends),))
    await asyncio.sleep(_CARRIED_OUT_LATE_SECONDS)
    await office.insist("PATCH", path, {"paused": False})
    return subscriber


WHIMS: tuple[Whim, ...] = (_cancels, _pauses)
