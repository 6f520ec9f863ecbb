"""What a run shows once everything is ready: calls, placed and followed as a customer would, and their events."""

import asyncio
import time
from dataclasses import replace

import httpx

from app.dev.listener import Received, Verified
from app.dev.runner.board import Board
from app.dev.runner.calls import FIRST_LIVES, NEXT_CALL_SECONDS
from app.dev.runner.errors import Refused
from app.dev.runner.home import DemoTenant, Home, Kept
from app.dev.runner.rest import Rest
from app.dev.runner.screen import Screen
from app.dev.runner.surroundings import Surroundings
from app.dev.runner.welcome import welcome


class Demonstration:
    """`secrets` are what deliveries are verified with; `received` is told of each one."""

    def __init__(
        self, home: Home, kept: Kept, around: Surroundings, board: Board, screen: Screen, *, started: float
    ) -> None:
        """`started` is the monotonic time at which the user began to wait."""
        self._home = home
        self._kept = kept
        self._around = around
        self._board = board
        self._screen = screen
        self._started = started
        self._first_calls: frozenset[str] = frozenset()
        self._first_verified_at: float | None = None
        # What the last run left to be delivered may come before anything is on the screen.
        self._early: list[Received] | None = []

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._kept.tenant.signing_secret,) if self._kept.tenant else ()

    def received(self, received: Received) -> None:
        """Show a delivery."""
        self._board.add(received)
        first = isinstance(received.verdict, Verified) and self._first_verified_at is None
        if first:
            self._first_verified_at = time.monotonic()
        if self._early is not None:
            self._early.append(received)
            return
        self._screen.delivered(received)
        if first:
            self._tell_when_the_first_came()
        self._tell_when_the_first_are_over()

    async def show(self, client: httpx.AsyncClient) -> None:
        """Go on for ever. Raises Refused when it cannot even begin."""
        rest = Rest(client, self._around)
        tenant = await self._tenant(rest)
        simulated = self._around.upstream.simulator_port is not None
        if simulated:
            # The simulator has forgotten the calls of the last run: following them leads nowhere.
            await rest.cancel_active(tenant)
        seconds = time.monotonic() - self._started
        self._screen.say(welcome(self._around, tenant, self._home, ready_seconds=seconds))
        self._begin()
        if not simulated:
            self._screen.say("Events will appear here as they arrive.")
            await asyncio.Event().wait()
        placed = [await rest.place_call(life) for life in FIRST_LIVES]
        for call_sid in placed:
            self._board.expect(call_sid)
        self._first_calls = frozenset(placed)
        for call_sid in placed:
            await rest.subscribe(tenant, call_sid)
        while True:
            await asyncio.sleep(NEXT_CALL_SECONDS)
            await self._place_another(rest, tenant)

    def _begin(self) -> None:
        self._screen.begin()
        early, self._early = self._early or [], None
        for received in early:
            self._screen.delivered(received)
        self._tell_when_the_first_came()

    async def _place_another(self, rest: Rest, tenant: DemoTenant) -> None:
        try:
            call_sid = await rest.place_call(None)
            self._board.expect(call_sid)
            await rest.subscribe(tenant, call_sid)
        except Refused as refusal:
            self._screen.say(f"no new call: {refusal}")

    async def _tenant(self, rest: Rest) -> DemoTenant:
        """Return the tenant of the last run if the installation still knows it, else a new one."""
        tenant = self._kept.tenant
        if tenant and tenant.of == self._around.upstream.fingerprint and await rest.knows(tenant):
            return tenant
        tenant = await rest.create_tenant(self._kept.admin_key)
        self._kept = replace(self._kept, tenant=tenant)
        self._home.save(self._kept)
        return tenant

    def _tell_when_the_first_came(self) -> None:
        if self._first_verified_at is not None:
            self._screen.say(f"first verified event after {self._first_verified_at - self._started:.1f} s")

    def _tell_when_the_first_are_over(self) -> None:
        calls = self._board.over(self._first_calls)
        if calls is None:
            return
        self._first_calls = frozenset()
        events = sum(len(call.names) for call in calls)
        flaws = sum(not call.flawless for call in calls)
        verdict = f"{flaws} of them not as they should be" if flaws else "each verified, in order, none missing"
        self._screen.say(
            f"The first {len(calls)} calls are over: {events} events, {verdict}. "
            f"Another call follows every {NEXT_CALL_SECONDS:.0f} s."
        )
