"""The destinations' circuit breakers in the ledger, so that all workers agree; the rules are `app.domain.breaker`'s.

A destination without a failure has no key. One that fails has a hash, and is named in the sorted set of those in
trouble by when it last failed: a worker reads there once in a while what the others have learned. A second one, of
the tenant's own, is there to be listed (`app/store/troubled.py`).

What is called a destination here is one of a tenant's, by its `app.domain.breaker.breaker_name`.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from app.domain.breaker import FAILURES_TO_OPEN, PROBE_MARGIN_SECONDS, Admission, Admitted, Refused, split_name
from app.store import keys
from app.store.connection import Ledger, translated_errors

# A failure is forgotten when none follows for so long: then it is not one of several in a row.
_CLOSED_SECONDS = 900
# An open breaker is forgotten when nobody tried its destination for a day, twice the schedule's longest step.
_OPEN_SECONDS = 86400
# While another's probe is under way: it takes a round trip as a rule, and its time-out at most.
_ASK_AGAIN_SECONDS = 1.0
_MOST_TROUBLED = 10_000
_REMEMBERED_DIGESTS = 16_384


class BreakerStore:
    def __init__(self, ledger: Ledger, cooldowns: Sequence[float], timeout_seconds: float) -> None:
        """`timeout_seconds` bounds an attempt, and so a probe."""
        self._ledger = ledger
        self._cooldowns_ms = [round(one * 1000) for one in cooldowns]
        self._ask_again_ms = min(round(_ASK_AGAIN_SECONDS * 1000), *self._cooldowns_ms)
        self._probe_ms = round((timeout_seconds + PROBE_MARGIN_SECONDS) * 1000)

    async def admit(self, destination: str) -> Admission | None:
        """Ask for an attempt at a destination; None says that nothing is held against it (any more)."""
        arguments = [self._probe_ms, self._ask_again_ms]
        answer = await self._ledger.run("admit_to_destination", [keys.breaker(digest_of(destination))], arguments)
        kind, until_ms, since_ms, now_ms = answer
        self._ledger.tell_time(now_ms, keys.TROUBLED)
        match kind:
            case 0:
                return Admitted()
            case 1:
                return Admitted(probe=True)
            case 2:
                return Refused(until_ms / 1000, since_ms / 1000)
        return None

    async def failed(self, destination: str, error: str, *, probe: bool) -> bool:
        """Count a failed attempt; returns whether the breaker opened with it."""
        digest = digest_of(destination)
        arguments = [
            digest, destination, error, int(probe), FAILURES_TO_OPEN, _CLOSED_SECONDS * 1000, _OPEN_SECONDS * 1000,
            *self._cooldowns_ms,
        ]  # fmt: skip
        opened, _, now_ms = await self._ledger.run("report_failure", _names(digest, destination), arguments)
        self._ledger.tell_time(now_ms, keys.TROUBLED)
        return bool(opened)

    async def succeeded(self, destination: str) -> bool:
        """Forget what was held against a destination; returns whether its breaker was open."""
        digest = digest_of(destination)
        return bool(await self._ledger.run("report_success", _names(digest, destination), [digest]))

    async def hasten(self, destination: str) -> bool:
        """Let the next attempt through as a probe: somebody asked for it by hand."""
        digest = digest_of(destination)
        return bool(await self._ledger.run("hasten_probe", [keys.breaker(digest), keys.TROUBLED], [digest]))

    async def troubled_since(self, moment: float) -> list[str]:
        """Return the digests of the destinations that have failed since a moment in Unix seconds."""
        async with translated_errors():
            found = await self._ledger.redis.zrangebyscore(
                keys.TROUBLED, round(moment * 1000), "+inf", start=0, num=_MOST_TROUBLED
            )
        return [one.decode() for one in found]


def _names(digest: str, destination: str) -> list[str]:
    """Return the keys in which a failure is written down, and a success strikes it out."""
    return [keys.breaker(digest), keys.TROUBLED, keys.troubled_of(split_name(destination)[0])]


@lru_cache(_REMEMBERED_DIGESTS)
def digest_of(destination: str) -> str:
    """Name a destination in keys: its text is as long as a host name may be."""
    return hashlib.sha256(destination.encode()).hexdigest()[:20]
