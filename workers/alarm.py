"""Waking many things, each at its own instant, with one timer.

A timer of its own for each of the thousands of claims that a worker holds, and a task that sleeps on it, would cost
more than a quarter of what polling costs.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Alarm(Generic[Item]):
    """Calls `wake` with each item once its instant has come, by the clock that `now` reads, in seconds.

    Make it inside a running loop.
    """

    def __init__(self, wake: Callable[[Item], None], now: Callable[[], float]) -> None:
        self._wake = wake
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._asleep: list[tuple[float, int, Item]] = []
        # Of those with one instant, who came first wakes first.
        self._turns = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    def __len__(self) -> int:
        return len(self._asleep)

    def overdue_seconds(self) -> float:
        """Return for how long the one that should have been woken first sleeps on; 0 when nobody is overdue."""
        return max(0.0, self._now() - self._asleep[0][0]) if self._asleep else 0.0

    def set(self, at: float, item: Item) -> None:
        """Wake an item at an instant; one that has passed is now."""
        heappush(self._asleep, (at, next(self._turns), item))
        if at < self._timer_at:
            self._set_timer()

    def clear(self) -> list[Item]:
        """Wake nothing any more, and return what slept."""
        asleep, self._asleep = [item for _, _, item in sorted(self._asleep)], []
        self._set_timer()
        return asleep

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, float("inf")
        if self._asleep:
            self._timer_at = self._asleep[0][0]
            self._timer = self._loop.call_later(max(0.0, self._timer_at - self._now()), self._ring)

    def _ring(self) -> None:
        now = self._now()
        try:
            while self._asleep and self._asleep[0][0] <= now:
                self._wake(heappop(self._asleep)[2])
        finally:
            # Whatever became of one, the others are still to be woken.
            self._set_timer()
