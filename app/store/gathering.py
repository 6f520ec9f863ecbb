"""What many ask for at the same moment, in one round trip: while some are under way, the next ones gather.

At rest everything goes out at once; under load a batch grows by itself to what arrives in a round trip.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Call = TypeVar("Call")
Answer = TypeVar("Answer")

# More would be smaller batches. One alone would hold everything up where a connection hangs until its timeout.
_MOST_UNDER_WAY = 2
# What is answered together waits for the last of them: so many scripts take Redis a few milliseconds.
_MOST_AT_ONCE = 100


class Gathering(Generic[Call, Answer]):
    """Carries calls out with `carry_out`, which returns for each its answer or the error that it met."""

    def __init__(self, carry_out: Callable[[Sequence[Call]], Awaitable[Sequence[Answer | Exception]]]) -> None:
        self._carry_out = carry_out
        self._gathered: list[tuple[Call, asyncio.Future[Answer]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._beginning = False

    async def submit(self, call: Call) -> Answer:
        """Carry out a call with those of its moment. Raises the error that it met, or the one that all of them met."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._gathered.append((call, answer))
        if len(self._under_way) < _MOST_UNDER_WAY and not self._beginning:
            # It begins when the loop comes round: whoever submits until then is taken along.
            self._beginning = True
            task = asyncio.create_task(self._work())
            self._under_way.add(task)
        return await answer

    async def _work(self) -> None:
        self._beginning = False
        while self._gathered:
            taken, self._gathered = self._gathered[:_MOST_AT_ONCE], self._gathered[_MOST_AT_ONCE:]
            for (_, future), answer in zip(taken, await self._answers([call for call, _ in taken]), strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        # Not by a callback of the task, which comes later: until then whoever submits would wait for nobody.
        self._under_way = {task for task in self._under_way if task is not asyncio.current_task()}

    async def _answers(self, calls: Sequence[Call]) -> Sequence[Answer | Exception]:
        try:
            return await self._carry_out(calls)
        except Exception as error:  # noqa: BLE001 -- it belongs to those who submitted, each of whom gets it
            return [error] * len(calls)
