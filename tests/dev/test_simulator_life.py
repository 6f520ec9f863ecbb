"""Planned calls: what holds of each, and what a crowd of them looks like."""

import random
from collections import Counter
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from app.dev.simulator import TERMINAL_STATUSES, Life, SimulatorSettings, plan_life

_SETTINGS = SimulatorSettings()
_ORDER = ("CREATED", "queued", "ringing", "in-progress")


def _generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- lives to repeat, not secrets


def _life(seed: int, settings: SimulatorSettings = _SETTINGS) -> Life:
    return plan_life(_generator(seed), settings)


def _crowd() -> list[Life]:
    rng = _generator(7)
    return [plan_life(rng, _SETTINGS) for _ in range(4_000)]


@given(st.integers(), st.floats(min_value=0.1, max_value=10_000))
def test_a_life_runs_forward_from_created_to_one_end(seed: int, time_lapse: float) -> None:
    life = _life(seed, SimulatorSettings(time_lapse=time_lapse))
    offsets = [step.offset_seconds for step in life.steps]
    statuses = [step.status for step in life.steps]

    assert offsets[0] == 0
    assert offsets == sorted(offsets)
    assert statuses[0] == "CREATED"
    assert [status in TERMINAL_STATUSES for status in statuses].index(True) == len(statuses) - 1
    assert statuses[:-1] == list(_ORDER[: len(statuses) - 1])
    assert life.end == life.steps[-1]


@given(st.integers())
def test_the_same_seed_is_the_same_life(seed: int) -> None:
    assert _life(seed) == _life(seed)


@given(st.integers(), st.integers(min_value=2, max_value=1_000))
def test_a_time_lapse_divides_every_offset(seed: int, factor: int) -> None:
    real, fast = _life(seed), _life(seed, SimulatorSettings(time_lapse=factor))
    for slow_step, fast_step in zip(real.steps, fast.steps, strict=True):
        assert abs(slow_step.offset_seconds / factor - fast_step.offset_seconds) < 2e-6
        assert slow_step.status == fast_step.status


def test_outcomes_are_shared_out_as_outbound_calls_are() -> None:
    lives = _crowd()
    shares = {status: count / len(lives) for status, count in Counter(life.steps[-1].status for life in lives).items()}
    expected = {"completed": 0.60, "no-answer": 0.18, "busy": 0.08, "failed": 0.09, "cancelled": 0.05}
    assert shares.keys() == expected.keys()
    for status, share in expected.items():
        assert abs(shares[status] - share) < 0.03, status


def test_some_calls_fail_before_they_ring_and_some_in_the_middle_of_a_talk() -> None:
    before_the_end = Counter(life.steps[-2].status for life in _crowd() if life.steps[-1].status == "failed")
    assert before_the_end.keys() == {"queued", "ringing", "in-progress"}


def test_some_calls_are_over_between_two_polls_and_most_talks_last_about_a_minute() -> None:
    completed = [life for life in _crowd() if life.steps[-1].status == "completed"]
    assert any(life.steps[-1].offset_seconds < 2 for life in completed)
    talks = [life.steps[-1].offset_seconds - life.steps[-2].offset_seconds for life in completed]
    assert 45 < median(talk for talk in talks if talk > 1) < 75


def test_queueing_and_ringing_keep_to_their_bounds() -> None:
    for life in _crowd():
        at = {step.status: step.offset_seconds for step in life.steps}
        if "ringing" in at:
            assert at["ringing"] - at["queued"] <= 20.00001
        if "in-progress" in at:
            assert at["in-progress"] - at["ringing"] <= 25.00001
