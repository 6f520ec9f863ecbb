"""Many small records, few round trips: while one batch is being written, the next one gathers.

At rest a record goes out at once; under load a batch grows by itself to what arrives in a round trip.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.store.connection import StoreUnavailable
from app.store.keys import Partition

Item = TypeVar("Item")
Result = TypeVar("Result")

# A script blocks Redis while it runs: some 200 records take about a millisecond.
_MOST_AT_ONCE = 200
_PAUSE_SECONDS = 0.25

log = logging.getLogger(__name__)


class Batcher(Generic[Item, Result]):
    """Writes items with `write`, which takes a partition's items and returns a result for each.

    A Redis that is away is waited for up to `patience_seconds`, which should not outlast the leases: what
    cannot be written by then is done again by whoever claims it next.
    """

    def __init__(
        self,
        write: Callable[[Partition, Sequence[Item]], Awaitable[Sequence[Result]]],
        patience_seconds: float,
    ) -> None:
        self._write = write
        self._patience_seconds = patience_seconds
        self._gathering: dict[int, list[tuple[Item, asyncio.Future[Result]]]] = {}
        self._writers: dict[int, asyncio.Task[None]] = {}

    async def submit(self, partition: Partition, item: Item) -> Result:
        """Write an item with its batch; raises what writing the batch raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._gathering.setdefault(partition.number, []).append((item, future))
        if partition.number not in self._writers:
            self._writers[partition.number] = asyncio.create_task(self._write_all(partition))
        return await future

    async def _write_all(self, partition: Partition) -> None:
        while gathered := self._gathering.get(partition.number):
            batch, self._gathering[partition.number] = gathered[:_MOST_AT_ONCE], gathered[_MOST_AT_ONCE:]
            await self._write_batch(partition, batch)
        del self._writers[partition.number]

    async def _write_batch(self, partition: Partition, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._write_patiently(partition, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 -- it belongs to those who submitted, each of whom gets it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _write_patiently(self, partition: Partition, items: list[Item]) -> Sequence[Result]:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_seconds
        while True:
            try:
                return await self._write(partition, items)
            except StoreUnavailable as error:
                if loop.time() > until:
                    raise
                log.warning("records wait for Redis", extra={"records": len(items), "reason": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)
