"""How the whole installation is doing, as the ledger tells it, whichever workers live: one round trip.

A script tells of each partition the oldest of what is due there and of what is to be delivered. What is claimed has its
score moved forward by a lease, and what is put off by its wait, so both are due later: what lags is what nobody has
claimed. Which phase a call is in stands in its state alone, so the share of each is that of a sample, chosen anew each
time from each partition.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.call import Phase
from app.store import codec, keys
from app.store.codec import UnknownLayout
from app.store.connection import Ledger, ScriptCall

# Of all partitions together: the share of a phase is then right to three hundredths, as a rule.
_SAMPLE = 256
# A script blocks Redis while it runs: so many take it two milliseconds.
_MOST_DESTINATIONS = 2000
_LIVE = (Phase.WAITING, Phase.RINGING, Phase.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class LedgerSigns:
    """What the ledger shows.

    The lags are in seconds: for how long the oldest of what is due has waited to be claimed. `live_calls` are exact
    together, and fractions where the phases were sampled. An open destination's breaker is open, a failing one's is
    closed but its last attempt failed.
    """

    poll_lag: float
    deliver_lag: float
    live_calls: Mapping[Phase, float]
    open_destinations: int
    failing_destinations: int


@dataclass(frozen=True, slots=True)
class _PartitionSigns:
    poll_lag: float
    deliver_lag: float
    calls: int
    phases: Counter[Phase]


class VitalSigns:
    def __init__(self, ledger: Ledger, partitions: int) -> None:
        self._ledger = ledger
        self._partitions = keys.all_partitions(partitions)
        self._sample = max(1, _SAMPLE // partitions)

    async def read(self) -> LedgerSigns:
        """Ask all partitions; raises `StoreUnavailable`."""
        asked = [
            ScriptCall("partition_signs", [one.due, one.outbox], [one.prefix, self._sample]) for one in self._partitions
        ]
        destinations = ScriptCall("destination_signs", [keys.TROUBLED], [keys.breaker(""), _MOST_DESTINATIONS])
        *answers, (still_open, failing) = await self._ledger.run_each([*asked, destinations])
        found = [_read_partition(answer) for answer in answers]
        return LedgerSigns(
            poll_lag=max(one.poll_lag for one in found),
            deliver_lag=max(one.deliver_lag for one in found),
            live_calls=_live_calls(found),
            open_destinations=still_open,
            failing_destinations=failing,
        )


def _read_partition(answer: Sequence[Any]) -> _PartitionSigns:
    now_ms, due, outbox, calls, states = answer
    phases = Counter(phase for state in states if (phase := _phase(state)) in _LIVE)
    return _PartitionSigns(_lag(now_ms, due), _lag(now_ms, outbox), calls, phases)


def _lag(now_ms: int, score: bytes) -> float:
    return max(0.0, now_ms - float(score)) / 1000 if score else 0.0


def _phase(state: bytes) -> Phase | None:
    """Return the phase that a state tells of; None where a newer Ringback has written it."""
    if not state:
        return Phase.WAITING
    try:
        return codec.unpack_phase(state)
    except UnknownLayout:
        return None


def _live_calls(partitions: Sequence[_PartitionSigns]) -> dict[Phase, float]:
    """Share out each partition's calls as its sample is; those of which nothing is known wait to be polled."""
    shared = dict.fromkeys(_LIVE, 0.0)
    for one in partitions:
        known = one.phases.total()
        if not known:
            shared[Phase.WAITING] += one.calls
        for phase, count in one.phases.items():
            shared[phase] += one.calls * count / known
    return shared
