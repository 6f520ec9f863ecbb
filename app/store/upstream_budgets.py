"""The budgets of polls in the ledger, so that all workers share them; the rules are `app.domain.upstream_budget`'s."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.upstream_budget import CredentialSet, Wish
from app.store import keys
from app.store.connection import Ledger, ScriptCall

_MICROSECONDS = 1_000_000
# What is booked ahead at most: a minute of overload is served in order.
LONGEST_BOOKING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Reserved:
    """The poll may begin at `at` (Unix seconds), and nobody else at that moment."""

    at: float


@dataclass(frozen=True, slots=True)
class Turn:
    """The poll of a call in progress is to wait until `at` (Unix seconds), and then has waited its turn."""

    at: float


@dataclass(frozen=True, slots=True)
class BookedOut:
    """Nothing is free as far ahead as was asked."""


Reservation = Reserved | Turn | BookedOut


@dataclass(frozen=True, slots=True)
class Reservations:
    """A credential set's answers to wishes, in their order, and how its budget stands.

    The next free moment is `behind` seconds away; calls in progress are stretched by about `stretch` seconds.
    """

    answers: tuple[Reservation, ...]
    behind: float
    stretch: float


class UpstreamBudgets:
    """Room for `per_second` polls a second in each credential set's budget; more than 0, and may be a fraction."""

    def __init__(self, ledger: Ledger, per_second: float) -> None:
        self._ledger = ledger
        self._spacing_us = _MICROSECONDS / per_second

    async def reserve(
        self,
        wishes: Mapping[CredentialSet, Sequence[Wish]],
        within_seconds: float = LONGEST_BOOKING_SECONDS,
    ) -> dict[CredentialSet, Reservations]:
        """Reserve a moment for each wish, up to so far ahead; see reserve_polls.lua. One round trip for all."""
        calls = [self._call(credentials, wanted, within_seconds) for credentials, wanted in wishes.items()]
        answers = await self._ledger.run_each(calls)
        for call, (now_ms, *_) in zip(calls, answers, strict=True):
            self._ledger.tell_time(now_ms, call.names[0])
        return {credentials: _read(answer) for credentials, answer in zip(wishes, answers, strict=True)}

    def _call(self, credentials: CredentialSet, wishes: Sequence[Wish], within_seconds: float) -> ScriptCall:
        arguments: list[Any] = [self._spacing_us, round(within_seconds * _MICROSECONDS)]
        for wish in wishes:
            arguments += round(wish.at * _MICROSECONDS), wish.urgency.value, round(wish.latest * _MICROSECONDS)
        return ScriptCall("reserve_polls", [keys.upstream_budget(credentials.digest)], arguments)


def _read(answer: Sequence[Any]) -> Reservations:
    _, behind, stretch, *moments = answer
    return Reservations(tuple(map(_reservation, moments)), behind / _MICROSECONDS, stretch / _MICROSECONDS)


def _reservation(moment: bytes) -> Reservation:
    if not moment:
        return BookedOut()
    if moment.startswith(b"t"):
        return Turn(int(moment[1:]) / _MICROSECONDS)
    return Reserved(int(moment) / _MICROSECONDS)
