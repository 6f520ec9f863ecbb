"""The fault suite in short: a fault of each kind, one upon the other, and every promise kept."""

import pytest

from tests.faults.run import in_quick_succession
from tests.faults.suite import FAULTS

SEED = 1
CALLS = 60
SECONDS = 2.0
# On a machine that is busy it takes the service longer than that to get on after some of them.
MOST_IN_VAIN = 3
NAMES = (
    "both poll workers are killed at once",
    "answers are lost on the ways from both deliver workers to Redis",
    "the upstream answers garbage to half of all polls",
    "Redis is killed and starts again seconds later",
    "all receivers answer 500 to half of all",
    "what arq keeps is deleted again and again",
    "a deliver worker is told to end",
    "Redis is full",
)


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_every_promise_is_kept_while_things_break() -> None:
    by_name = {one.name: one for one in FAULTS}
    faults = [by_name[name] for name in NAMES]
    outcome = in_quick_succession(faults, SEED, CALLS, SECONDS)
    assert outcome.objections() == []
    assert len(outcome.in_vain) <= MOST_IN_VAIN, outcome.in_vain
    assert len(outcome.judgement.finals) == 1
    assert outcome.judgement.transitions > CALLS
