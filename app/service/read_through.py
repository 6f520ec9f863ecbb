"""Calls that nobody follows, asked of the upstream on a client's behalf: together, boundedly, and not too often.

Clients that ask for the same call at the same time share one request, and its answer is kept for a moment, good or
bad: a client that polls in a loop costs the upstream one request a second. Who asks with another connector asks for
another call.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.domain.call import CallKey
from app.domain.dialect import WrittenAnswer, write_error
from app.domain.upstream_budget import CredentialSet, Urgency, Wish
from app.store.clock import StoreClock
from app.store.upstream_budgets import Reserved, UpstreamBudgets

_KEPT_SECONDS = 1.0
# How long a client is kept waiting for its moment of the budget.
_LONGEST_WAIT_SECONDS = 1.0
# Answers in mind at most: with the upstream's half a kilobyte each, a few megabytes.
_MOST_KEPT = 5_000

Ask = Callable[[CallKey], Awaitable[WrittenAnswer]]
_TOO_MANY = "Too many requests for calls that are not followed. Retry later."
OVERLOADED = write_error(503, _TOO_MANY, retry_after=1)


def within_budget(ask: Ask, budgets: UpstreamBudgets, clock: StoreClock) -> Ask:
    """Return what asks when the credential set's budget has room soon, and else says when to try again."""

    async def ask_politely(key: CallKey) -> WrittenAnswer:
        now, whose = clock.now(), CredentialSet.of(key)
        wishes = {whose: [Wish(now, Urgency.EARLY, now)]}
        reservations = (await budgets.reserve(wishes, _LONGEST_WAIT_SECONDS))[whose]
        match reservations.answers:
            case (Reserved(at),):
                await asyncio.sleep(max(0.0, at - clock.now()))
                return await ask(key)
            case _:
                return write_error(503, _TOO_MANY, max(1, math.ceil(reservations.behind)))

    return ask_politely


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: WrittenAnswer
    until: float


class ReadThrough:
    def __init__(self, ask: Ask, most_at_once: int) -> None:
        """`ask` asks the upstream and never raises for what it answers."""
        self._ask = ask
        self._most_at_once = most_at_once
        self._under_way: dict[str, asyncio.Task[WrittenAnswer]] = {}
        # All are kept equally long, so the first is always the next to go.
        self._kept: dict[str, _Kept] = {}

    async def ask(self, key: CallKey) -> WrittenAnswer:
        """Return the upstream's answer, or `OVERLOADED` while as many requests are under way as may be."""
        name = key.watch_id
        kept = self._kept.get(name)
        if kept and kept.until > time.monotonic():
            return kept.answer
        task = self._under_way.get(name)
        if task is None:
            if len(self._under_way) >= self._most_at_once:
                return OVERLOADED
            task = self._under_way[name] = asyncio.create_task(self._ask_upstream(name, key))
        # A client that goes away leaves the request to the others.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Give up what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_upstream(self, name: str, key: CallKey) -> WrittenAnswer:
        try:
            answer = await self._ask(key)
        finally:
            del self._under_way[name]
        now = time.monotonic()
        self._kept.pop(name, None)
        while self._kept:
            first = next(iter(self._kept))
            if self._kept[first].until > now and len(self._kept) < _MOST_KEPT:
                break
            del self._kept[first]
        self._kept[name] = _Kept(answer, now + _KEPT_SECONDS)
        return answer
