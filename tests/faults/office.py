"""How a CRM speaks to the API while things break: with any of its processes, and again until there is an answer."""

import asyncio
from collections.abc import Mapping
from random import Random

import httpx

from tests.faults.stage import Stage

PATIENCE_SECONDS = 180.0
_AGAIN_SECONDS = 0.25
_ANSWER_SECONDS = 5.0


class Office:
    """`refusals` counts what requests were answered that were not taken."""

    def __init__(self, stage: Stage, chance: Random, client: httpx.AsyncClient) -> None:
        self._stage = stage
        self._chance = chance
        self._client = client
        self.refusals: dict[str, int] = {}

    async def ask(self, method: str, path: str, wanted: Mapping[str, object] | None = None) -> httpx.Response | None:
        """Ask once; None when it was not taken, or nobody knows."""
        member = self._chance.choice(self._stage.all_of("api"))
        headers = {"authorization": f"Bearer {self._stage.api_key}"}
        try:
            answer = await self._client.request(
                method, member.url + path, json=wanted, headers=headers, timeout=_ANSWER_SECONDS
            )
        except httpx.TransportError as error:
            refusal = type(error).__name__
        else:
            if answer.is_success:
                return answer
            refusal = str(answer.status_code)
        self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        return None

    async def insist(self, method: str, path: str, wanted: Mapping[str, object] | None = None) -> httpx.Response:
        """Ask until it is taken. Raises AssertionError when that takes minutes."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    if answer := await self.ask(method, path, wanted):
                        return answer
                    await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{method} {path} is not taken: {self.refusals}") from None
