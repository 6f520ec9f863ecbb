"""Receivers and an upstream that have moods: while one lasts, they answer otherwise."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.peers import Receiver, Reply

# What to answer instead, or None for the usual answer.
Mood = Callable[[], Reply | None]


def after(seconds: float, status: int = 204) -> Reply:
    """Return an answer that comes so late."""
    ripe = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, ripe.set)
    return Reply(status, waits_for=ripe)


class MoodyReceiver(Receiver):
    """A receiver that keeps what it got, and with what it answered, also while it is in a mood."""

    mood: Mood | None = None

    def reply_to(self, path: str, body: bytes) -> Reply:
        chosen = self.mood() if self.mood else None
        return chosen or super().reply_to(path, body)


class TroubledUpstream:
    """The simulator; `trouble` answers status requests instead of it while there is some."""

    def __init__(self, truth: ASGIApp) -> None:
        self._truth = truth
        self.trouble: ASGIApp | None = None

    @property
    def truth(self) -> ASGIApp:
        """What answers as the vendor does."""
        return self._truth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        troubled = self.trouble if "/outbound-call/status/" in scope.get("path", "") else None
        await (troubled or self._truth)(scope, receive, send)
