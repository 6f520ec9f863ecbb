"""Good runs that are spoilt at random: the judge finds whatever breaks a promise, and nothing else."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import RULE
from tests.e2e.judged_runs import FIRST, SECOND, good_run, make_delivery, make_entry, mixed
from tests.judge import Delivery, judge

BOTH = [FIRST, SECOND]


def order_of(run: list[Delivery], path: str) -> list[bytes]:
    """What arrived first of each event at a path."""
    return list(dict.fromkeys(one.body for one in run if one.path == path))


@RULE
@given(chance=st.randoms(use_true_random=False), where=st.integers(0, 9), other=st.integers(0, 10))
def test_a_repeated_event_is_a_fault_unless_something_crashed(chance: random.Random, where: int, other: int) -> None:
    run = mixed(chance)
    run.insert(other, run[where])
    judgement = judge([make_entry()], BOTH, run)
    in_order = all(order_of(run, one.path) == order_of(good_run(one.path), one.path) for one in BOTH)
    assert len(judgement.repeated) == 1
    assert judgement.faults() != []
    assert (judgement.faults(crashed=True, lost_a_second=True) == []) is in_order


@RULE
@given(chance=st.randoms(use_true_random=False), where=st.integers(0, 9), other=st.integers(0, 9))
def test_two_events_that_change_places_are_a_fault_at_one_receiver_only(
    chance: random.Random, where: int, other: int
) -> None:
    run = mixed(chance)
    run[where], run[other] = run[other], run[where]
    judgement = judge([make_entry()], BOTH, run)
    in_order = all(order_of(run, one.path) == order_of(good_run(one.path), one.path) for one in BOTH)
    assert (judgement.faults() == []) is in_order
    assert (judgement.out_of_order == []) is in_order


@RULE
@given(
    chance=st.randoms(use_true_random=False),
    where=st.integers(0, 9),
    change=st.sampled_from(
        [
            {"event_id": "evt_other"},
            {"sequence": 9},
            {"final": None},
            {"status": "busy"},
            {"previous_status": "busy"},
            {"call_sid": "OUT-2"},
            {"account_id": "other"},
            {"project_id": "other"},
            {"subscription_id": "sub_other"},
            {"occurred_at": "2024-03-15T10:00:00Z"},
            {"path": "/stranger"},
        ]
    ),
    adds=st.booleans(),
)
def test_an_altered_event_is_a_fault_instead_of_the_true_one_and_beside_it(
    chance: random.Random, where: int, change: dict[str, Any], adds: bool
) -> None:
    run = mixed(chance)
    place = json.loads(run[where].body)["data"]["sequence"]
    run[where : where + (not adds)] = [make_delivery(place, **{"path": run[where].path, **change})]
    assert judge([make_entry()], BOTH, run).faults(crashed=True, lost_a_second=True) != []


@RULE
@given(chance=st.randoms(use_true_random=False), where=st.integers(0, 9))
def test_an_event_that_is_dropped_is_missing(chance: random.Random, where: int) -> None:
    run = mixed(chance)
    del run[where]
    assert len(judge([make_entry()], BOTH, run).missing) == 1
