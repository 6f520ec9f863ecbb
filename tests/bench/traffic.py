"""Calls that come, live and end, so that as many are alive at any time: a steady load on the whole service.

Each is registered over the API, with one subscription; its life stands in its SID (lives.py), so what is true of it at
any time can be computed.
"""

import asyncio
import random
import time
from collections.abc import Sequence

from tests.bench.lives import Life
from tests.bench.system import System

# A life is so much shorter or longer than the usual one.
_SHORTEST, _LONGEST = 0.75, 1.25
_AT_ONCE = 20


class Traffic:
    """Keeps `live` calls alive, each for about `life_seconds`.

    `registered` tells when the API had registered each, in Unix seconds.
    """

    def __init__(self, running: System, live: int, life_seconds: float, seed: int = 0) -> None:
        self.registered: dict[str, float] = {}
        self._running = running
        self._live = live
        self._life_seconds = life_seconds
        self._chance = random.Random(seed)  # noqa: S311 -- a repeatable load
        self._number = 0

    async def fill(self, seconds: float) -> None:
        """Register as many as shall be alive, evenly over so many seconds.

        At the end all are alive, and of every age. So some have not begun when they are registered, and the upstream
        does not know them yet.
        """
        start, ends = time.monotonic(), time.time() + seconds
        for place in range(0, self._live, _AT_ONCE):
            await asyncio.sleep(start + seconds * place / self._live - time.monotonic())
            some = min(_AT_ONCE, self._live - place)
            await self._register([self._sid(ends, self._chance.random()) for _ in range(some)])

    async def flow(self) -> None:
        """Register new ones one by one, as fast as the others end, until cancelled."""
        gap = self._life_seconds * (_SHORTEST + _LONGEST) / 2 / self._live
        start, sent = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                sent += 1
                await asyncio.sleep(start + sent * gap - time.monotonic())
                group.create_task(self._register([self._sid(time.time())]))

    def _sid(self, at: float, age: float = 0.0) -> str:
        """Draw a life; `age` is the share of it that has passed at a Unix time."""
        self._number += 1
        chance, ends = self._chance, self._life_seconds * self._chance.uniform(_SHORTEST, _LONGEST)
        offsets = [*sorted(chance.uniform(0, ends) for _ in range(3)), ends]
        return Life(round((at - age * ends) * 1000), tuple(round(one * 1000) for one in offsets)).sid(self._number)

    async def _register(self, sids: Sequence[str]) -> None:
        base = f"{self._running.stub.url}/integrations/calls"
        items = [{"call_sid": sid, "callback_url": f"{base}/{sid}", "metadata": {"deal": "004711"}} for sid in sids]
        if len(items) == 1:
            (await self._running.client.post("/v1/subscriptions", json=items[0])).raise_for_status()
        else:
            answer = await self._running.client.post("/v1/subscriptions/batch", json={"items": items})
            refused = [one for one in answer.raise_for_status().json()["items"] if one["status"] != 201]
            if refused:
                raise AssertionError(refused[0])
        now = time.time()
        self.registered.update(dict.fromkeys(sids, now))


def transitions(sid: str) -> list[tuple[int, float]]:
    """Return the sequence of each event of a call and when it truly happens, in Unix seconds."""
    return [(sequence, at / 1000) for sequence, (_, at) in enumerate(Life.of(sid).steps(), 1)]
