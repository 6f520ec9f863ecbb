"""Calls that are placed and registered while things break, and what is known from outside of how far each has got."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from tests.e2e.stack import ACCOUNT, CONNECTOR, PROJECT, new_path
from tests.faults.stage import Stage
from tests.judge import TERMINAL, Subscriber
from tests.peers import eventually

_AGAIN_SECONDS = 0.25
_PATIENCE_SECONDS = 180.0
_ANSWER_SECONDS = 5.0
_TAKEN = (200, 201)


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
        self.followed: list[Followed] = []
        # What the API answered to registrations that it did not take, with how often.
        self.refusals: dict[str, int] = {}

    async def place(self, count: int, each: int = 1) -> None:
        """Place calls and return once each is registered, so many times with a URL of its own."""
        url = f"{self._stage.simulator_url}/api/v1/{ACCOUNT}/{PROJECT}/outbound-call"
        answer = await self._client.post(url, headers={"X-CONNECTOR-ID": CONNECTOR}, json={"count": count})
        sids = answer.raise_for_status().json()["call_sids"]
        await asyncio.gather(*(self._register(sid) for sid in sids for _ in range(each)))

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
        return max((one.moments[-1] for one in self.followed), default=0.0)

    async def _register(self, call_sid: str) -> None:
        receiver = self._chance.randrange(len(self._stage.receivers))
        subscriber = Subscriber(new_path(), call_sid)
        wanted = {"call_sid": call_sid, "callback_url": self._stage.to_receivers[receiver].url + subscriber.path}
        await eventually(lambda: self._is_taken(wanted), "a registration is taken", _PATIENCE_SECONDS)
        self.followed.append(Followed(subscriber, receiver, await self._moments(call_sid)))

    async def _is_taken(self, wanted: dict[str, Any]) -> bool:
        member = self._chance.choice(self._stage.all_of("api"))
        headers = {"authorization": f"Bearer {self._stage.api_key}"}
        try:
            answer = await self._client.post(
                f"{member.url}/v1/subscriptions", json=wanted, headers=headers, timeout=_ANSWER_SECONDS
            )
        except httpx.TransportError as error:
            refusal = type(error).__name__
        else:
            if answer.status_code in _TAKEN:
                return True
            refusal = str(answer.status_code)
        self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        await asyncio.sleep(_AGAIN_SECONDS)
        return False

    async def _moments(self, call_sid: str) -> list[float]:
        told = await self._client.get(f"{self._stage.simulator_url}/simulator/log", params={"call_sid": call_sid})
        history = json.loads(told.text)["history"]
        ends = next(place for place, step in enumerate(history, 1) if step["status"] in TERMINAL)
        return [step["at"] for step in history[:ends]]
