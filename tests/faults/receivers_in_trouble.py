"""Receivers that are down, slow, overloaded, or answer what nobody expects."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from tests.faults.effect import something
from tests.faults.fault import Fault, Happens
from tests.faults.receivers import Mood, after
from tests.faults.stage import Stage
from tests.peers import Reply

# The schedule's longest step of 5 s, and a breaker's cool-down as long, each with its jitter, and a few tries in turn.
_HEALS_SECONDS = 25.0
# The stage's timeout of a delivery is 2 s.
_BARELY_IN_TIME_SECONDS = 1.5
_TOO_LATE_SECONDS = 2.5
_HUGE_BYTES = 4 * 1024 * 1024
_RETRY_AFTER = {"retry-after": "3"}
_REDIRECT = Reply(307, b"", {"location": "/elsewhere"})
_HUGE = Reply(200, b"x" * _HUGE_BYTES)
_HUGE_ERROR = Reply(500, b"x" * _HUGE_BYTES)

# How a receiver chooses its answers, by chance.
Temper = Callable[[Random], Mood]


def _always(reply: Callable[[], Reply] | Reply) -> Temper:
    return lambda _: lambda: reply if isinstance(reply, Reply) else reply()


def _sometimes(share: float, reply: Reply) -> Temper:
    return lambda chance: lambda: reply if chance.random() < share else None


def _in(temper: Temper, *, every: bool = False) -> Happens:
    """Put a receiver into a mood, or all of them; fails when nothing was sent to them meanwhile."""

    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        chosen = list(stage.receivers) if every else [chance.choice(stage.receivers)]
        mood, asked = temper(chance), 0

        def counting() -> Reply | None:
            nonlocal asked
            asked += 1
            return mood()

        for one in chosen:
            one.mood = counting
        try:
            yield
            something(asked, "nothing was sent to them")
        finally:
            for one in chosen:
                one.mood = None

    return happens


def _fault(name: str, temper: Temper, *, every: bool = False, seconds: float = 6.0) -> Fault:
    who = "all receivers" if every else "a receiver"
    return Fault(f"{who} {name}", "receivers", _in(temper, every=every), seconds, _HEALS_SECONDS)


FAULTS = (
    _fault("answers 503", _always(Reply(503))),
    _fault("answer 503", _always(Reply(503)), every=True),
    _fault("answers 503 with Retry-After", _always(Reply(503, b"", _RETRY_AFTER))),
    _fault("answers 429 with Retry-After", _always(Reply(429, b"", _RETRY_AFTER))),
    _fault("answer 500 to half of all", _sometimes(0.5, Reply(500)), every=True),
    _fault("hangs", _always(Reply(hangs=True))),
    _fault("hang", _always(Reply(hangs=True)), every=True),
    _fault("answers barely in time", _always(lambda: after(_BARELY_IN_TIME_SECONDS))),
    _fault("answer just too late", _always(lambda: after(_TOO_LATE_SECONDS)), every=True),
    _fault("answers with a redirect", _always(_REDIRECT)),
    _fault("answers 200 with a huge body", _always(_HUGE)),
    _fault("answer 500 with a huge body", _always(_HUGE_ERROR), every=True),
    _fault("answers 404", _always(Reply(404))),
)
