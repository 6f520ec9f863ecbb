"""The lives of the benchmarks' stub: what a SID says is what the upstream tells, as Ringback reads it."""

import math

import pytest

from app.domain.call import CallKey
from app.domain.dialect import parse_answer
from tests.bench.lives import STATUSES, Life, answer

NOW = 1_710_496_800.0
WHOLE = Life(round(NOW * 1000), (250, 1000, 4000, 9500))


def test_a_sid_says_the_whole_life() -> None:
    assert Life.of(WHOLE.sid(7)) == WHOLE
    assert WHOLE.sid(7) != WHOLE.sid(8)


@pytest.mark.parametrize("sid", ["OUT-550e8400-e29b-41d4-a716-446655440000", "OUT-x-1-1", "IN-1-2-3", ""])
def test_other_sids_say_nothing(sid: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- whatever of it is wrong
        Life.of(sid)


@pytest.mark.parametrize(
    ("after", "known", "next_after"),
    [(-0.001, 0, 0.0), (0.0, 1, 0.25), (0.25, 2, 1.0), (3.999, 3, 4.0), (9.0, 4, 9.5), (9.5, 5, math.inf)],
)
def test_each_status_is_true_from_its_offset_on(after: float, known: int, next_after: float) -> None:
    assert WHOLE.status(NOW + after) == ("", *STATUSES)[known]
    assert WHOLE.true_until(NOW + after) == NOW + next_after


def test_ringback_reads_the_answers() -> None:
    key = CallKey("account", "project", "connector", WHOLE.sid(1))
    read = parse_answer(answer("account", "project", "connector", key.call_sid, NOW + 4.5), key)
    assert read.status == "in-progress"
    assert [(step.status, step.at) for step in read.history] == [
        ("CREATED", "2024-03-15T10:00:00Z"),
        ("queued", "2024-03-15T10:00:00.250Z"),
        ("ringing", "2024-03-15T10:00:01Z"),
        ("in-progress", "2024-03-15T10:00:04Z"),
    ]


@pytest.mark.parametrize(("life", "status"), [(Life.ringing(NOW), "ringing"), (Life.in_progress(NOW), "in-progress")])
def test_a_life_can_stay_as_it_is_for_ever(life: Life, status: str) -> None:
    assert life.status(NOW) == status
    assert math.isinf(life.true_until(NOW))
