"""Many small records, few round trips: while one batch is being written, the next one gathers.

At rest a record goes out at once; under load a batch grows by itself to what arrives in a round trip. What nobody waits
for lingers until its partition's next batch goes out, or for a tenth of a second.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.store.connection import StoreUnavailable
from app.store.keys import Partition

Item = TypeVar("Item")
Result = TypeVar("Result")

# A script blocks Redis while it runs: some 200 records take about a millisecond.
_MOST_AT_ONCE = 200
_PAUSE_SECONDS = 0.25
LINGER_SECONDS = 0.1

log = logging.getLogger(__name__)


class Batcher(Generic[Item, Result]):
    """Writes items with `write`, which takes a partition's items and returns a result for each.

    A Redis that is away is waited for up to `patience_seconds`, which should not outlast the leases: what
    cannot be written by then is done again by whoever claims it next. `told` gets what became of items that lingered:
    the result, or the error that writing their batch raised.
    """

    def __init__(
        self,
        write: Callable[[Partition, Sequence[Item]], Awaitable[Sequence[Result]]],
        patience_seconds: float,
        told: Callable[[Item, Result | Exception], None] = lambda *_: None,
    ) -> None:
        self._write = write
        self._patience_seconds = patience_seconds
        self._told = told
        self._gathering: dict[int, list[tuple[Item, asyncio.Future[Result] | None]]] = {}
        self._writers: dict[int, asyncio.Task[None]] = {}
        self._lingering: dict[int, asyncio.TimerHandle] = {}
        # When each batch that is being written was begun, the oldest first; monotonic seconds, as is `last_written`.
        self._begun: dict[int, float] = {}
        self.last_written = float("-inf")

    def writing_seconds(self) -> float:
        """Return for how long the oldest of the batches under way is being written; 0 when there is none."""
        return time.monotonic() - next(iter(self._begun.values())) if self._begun else 0.0

    async def submit(self, partition: Partition, item: Item) -> Result:
        """Write an item with its batch; raises what writing the batch raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._gathering.setdefault(partition.number, []).append((item, future))
        self._begin(partition)
        return await future

    def linger(self, partition: Partition, item: Item) -> None:
        """Write an item soon; nobody waits for what becomes of it."""
        gathered = self._gathering.setdefault(partition.number, [])
        gathered.append((item, None))
        if len(gathered) >= _MOST_AT_ONCE:
            self._begin(partition)
        elif partition.number not in self._lingering and partition.number not in self._writers:
            loop = asyncio.get_running_loop()
            self._lingering[partition.number] = loop.call_later(LINGER_SECONDS, self._begin, partition)

    async def flush(self) -> None:
        """Write what lingers, and wait until everything is written."""
        for number in list(self._lingering):
            self._begin(Partition(number))
        while self._writers:
            await asyncio.wait(set(self._writers.values()))

    def _begin(self, partition: Partition) -> None:
        if timer := self._lingering.pop(partition.number, None):
            timer.cancel()
        if partition.number not in self._writers:
            self._writers[partition.number] = asyncio.create_task(self._write_all(partition))

    async def _write_all(self, partition: Partition) -> None:
        while gathered := self._gathering.get(partition.number):
            batch, self._gathering[partition.number] = gathered[:_MOST_AT_ONCE], gathered[_MOST_AT_ONCE:]
            self._begun[partition.number] = time.monotonic()
            await self._write_batch(partition, batch)
            del self._begun[partition.number]
            self.last_written = time.monotonic()
        del self._writers[partition.number]

    async def _write_batch(self, partition: Partition, batch: list[tuple[Item, asyncio.Future[Result] | None]]) -> None:
        outcomes: Sequence[Result | Exception]
        try:
            outcomes = await self._write_patiently(partition, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 -- it belongs to those who submitted, each of whom gets it
            outcomes = [error] * len(batch)
        for (item, future), outcome in zip(batch, outcomes, strict=True):
            if future is None:
                self._told(item, outcome)
            elif not future.done():
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

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
