"""Work that would hold up the event loop for long, done in pieces: other requests have their turn in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

# Each takes some 10 to 30 microseconds: nobody waits for longer than about two milliseconds.
_ITEMS_PER_TURN = 64


async def taking_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the items, with pauses that others may use."""
    for place, item in enumerate(items, 1):
        yield item
        if place % _ITEMS_PER_TURN == 0:
            await asyncio.sleep(0)
