"""Polls as a worker makes them, with the upstream's answers given by the test."""

from collections.abc import Sequence

from app.domain.cadence import Answered, Pace, PollOutcome, after_poll
from app.domain.dialect import parse_answer
from app.resources import Resources
from app.store.keys import Partition
from app.store.watches import ClaimedPoll, PolledStep, Recorded
from tests.builders import LIFE, Pairs, make_body

PACE = Pace(not_found_grace=0)
# Far beyond any test's paces, so that everything alive is due.
EVERYTHING = 1000.0
LEASE = 100.0


def answered(claimed: ClaimedPoll, pairs: Pairs) -> Answered:
    """Return what the upstream says of a claimed call whose history is `pairs`."""
    key = claimed.watch.key
    return Answered(parse_answer(make_body(key=key, pairs=pairs), key))


def step_after(claimed: ClaimedPoll, outcome: PollOutcome) -> PolledStep:
    """Return what a poll leads to that was made just when it was due."""
    return PolledStep(claimed, after_poll(claimed.watch, outcome, claimed.due_at, PACE, 0.5), claimed.due_at)


async def claim_polls(
    resources: Resources,
    partition: Partition,
    *,
    horizon: float = EVERYTHING,
    lease: float = LEASE,
    limit: int = 100,
) -> list[ClaimedPoll]:
    return await resources.watches.claim(partition, horizon_seconds=horizon, lease_seconds=lease, limit=limit)


async def poll(resources: Resources, partition: Partition, said: PollOutcome | Pairs = LIFE) -> list[Recorded]:
    """Claim every call of a partition that has a next poll, and record what the upstream said of each."""
    claims = await claim_polls(resources, partition)
    steps = [step_after(claimed, answered(claimed, said) if isinstance(said, Sequence) else said) for claimed in claims]
    return await resources.watches.commit(partition, steps) if steps else []
