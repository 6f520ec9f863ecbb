"""What a fault is: something that breaks while a block is open, and how soon all is well after it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random

from tests.faults.stage import Stage

Happens = Callable[[Stage, Random], AbstractAsyncContextManager[None]]

# Leases are what takes longest where nobody backs off: a request's timeout and what a claim takes, and a tick.
_HEALS_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks while `happens` is open, which is for about `seconds`.

    `happens` chooses its victims by the generator alone, mends everything at its end, and leaves the rest to the
    service: `heals_within` seconds after that the receivers have all that came true until then, and all are ready.
    `touches` names what it breaks: two faults that touch the same are never under way together.
    """

    name: str
    touches: str
    happens: Happens
    seconds: float = 6.0
    heals_within: float = _HEALS_SECONDS
