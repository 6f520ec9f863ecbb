"""Calls that are placed and registered while things break, and what is known from outside of how far each has got."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import httpx

from tests.e2e.stack import ACCOUNT, CONNECTOR, PROJECT, new_path
from tests.faults.office import PATIENCE_SECONDS, Office
from tests.faults.stage import Stage
from tests.faults.whims import WHIMS, Whim
from tests.judge import TERMINAL, Subscriber
from tests.peers import eventually

# Of so many calls one has a second subscriber, who does not just take all.
_ONE_IN = 4
# Beside the wish for the end: statuses that not each call has.
_CHOSEN = "ringing"


@dataclass(frozen=True, slots=True)
class Followed:
    """A subscription that the API has taken; `moments` are the transitions of its call, in Unix seconds."""

    subscriber: Subscriber
    receiver: int
    moments: Sequence[float]


class Load:
    """Places calls and registers them as a CRM does: again and again, at either API, until it is told that it is so."""

    def __init__(self, stage: Stage, chance: Random, client: httpx.AsyncClient) -> None:
        self._stage = stage
        self._chance = chance
        self._client = client
        self._office = Office(stage, chance, client)
        self._placed = 0
        self._whims: set[asyncio.Task[None]] = set()
        self.followed: list[Followed] = []

    @property
    def refusals(self) -> dict[str, int]:
        """What the API answered to requests that it did not take, with how often."""
        return self._office.refusals

    async def place(self, count: int, each: int = 1) -> None:
        """Place calls and return once each is registered, so many times with a URL of its own."""
        url = f"{self._stage.simulator_url}/api/v1/{ACCOUNT}/{PROJECT}/outbound-call"
        answer = await self._client.post(url, headers={"X-CONNECTOR-ID": CONNECTOR}, json={"count": count})
        sids = answer.raise_for_status().json()["call_sids"]
        await asyncio.gather(*(self._register(sid) for sid in sids for _ in range(each)))
        for sid in sids:
            self._placed += 1
            if self._placed % _ONE_IN == 0:
                await self._beside(sid, self._placed // _ONE_IN)

    def behind(self, moment: float) -> int:
        """Return how many events of transitions up to this moment (Unix seconds) no receiver has accepted yet."""
        missing = 0
        for one in self.followed:
            accepted = {
                receipt.headers["webhook-id"]
                for receipt in self._stage.receivers[one.receiver].at(one.subscriber.path)
                if 200 <= receipt.status < 300
            }
            missing += max(0, sum(at <= moment for at in one.moments) - len(accepted))
        return missing

    async def until_caught_up(self, moment: float, seconds: float) -> None:
        """Wait until receivers have all that was true at this moment; AssertionError after so many seconds."""

        async def caught_up() -> bool:
            return not self.behind(moment)

        await eventually(caught_up, f"{self.behind(moment)} events that were true before are accepted", seconds)

    def last_moment(self) -> float:
        """Return when the last of all calls ends."""
        return max((one.moments[-1] for one in self.followed if one.moments), default=0.0)

    async def until_settled(self) -> None:
        """Wait until all who change or end their subscriptions have done so; then `followed` holds them too."""
        while self._whims:
            await asyncio.gather(*self._whims)

    async def _register(self, call_sid: str) -> None:
        receiver, subscriber = self._new(call_sid)
        await self._office.insist("POST", "/v1/subscriptions", self._wanted(receiver, subscriber))
        self.followed.append(Followed(subscriber, receiver, await self._moments(subscriber)))

    async def _beside(self, call_sid: str, number: int) -> None:
        """Subscribe to a call once more: in turn with a filter, and with each of the whims."""
        receiver, subscriber = self._new(call_sid)
        place = number % (len(WHIMS) + 1)
        if place == len(WHIMS):
            types = frozenset("call." + status.replace("-", "_") for status in (_CHOSEN, *TERMINAL))
            subscriber = replace(subscriber, types=types, beside=True)
            wanted = self._wanted(receiver, subscriber) | {"events": ["final", f"call.{_CHOSEN}"]}
            await self._office.insist("POST", "/v1/subscriptions", wanted)
            self.followed.append(Followed(subscriber, receiver, await self._moments(subscriber)))
            return
        whim = asyncio.create_task(self._follow(WHIMS[place], receiver, replace(subscriber, beside=True)))
        self._whims.add(whim)
        whim.add_done_callback(self._whims.discard)

    async def _follow(self, whim: Whim, receiver: int, subscriber: Subscriber) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            told = await whim(self._office, self._wanted(receiver, subscriber), subscriber)
        moments = [] if told.cancelled else await self._moments(told)
        self.followed.append(Followed(told, receiver, moments))

    def _new(self, call_sid: str) -> tuple[int, Subscriber]:
        subscriber = Subscriber(new_path(), call_sid, secret=self._stage.signing_secret)
        return self._chance.randrange(len(self._stage.receivers)), subscriber

    def _wanted(self, receiver: int, subscriber: Subscriber) -> dict[str, object]:
        url = self._stage.to_receivers[receiver].url + subscriber.path
        return {"call_sid": subscriber.call_sid, "callback_url": url}

    async def _moments(self, subscriber: Subscriber) -> list[float]:
        told = await self._client.get(
            f"{self._stage.simulator_url}/simulator/log", params={"call_sid": subscriber.call_sid}
        )
        history = json.loads(told.text)["history"]
        ends = next(place for place, step in enumerate(history, 1) if step["status"] in TERMINAL)
        wanted = subscriber.types
        return [
            step["at"]
            for step in history[:ends]
            if wanted is None or "call." + step["status"].lower().replace("-", "_") in wanted
        ]
