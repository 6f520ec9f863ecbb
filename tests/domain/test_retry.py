"""What an attempt to deliver leads to: contract, "Reactions to a receiver"."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retry import (
    RETRY_AFTER_MAX_SECONDS,
    SUSPECT_FAILURES,
    AttemptResult,
    Delivered,
    Exhausted,
    Gone,
    Responded,
    RetryAt,
    Suspect,
    Unreachable,
    judge,
)
from app.settings import Settings
from tests.builders import START
from tests.domain.strategies import RULE

MINUTE, HOUR = 60, 3600
DEFAULT_SCHEDULE: tuple[float, ...] = Settings.model_fields["delivery_retry_seconds"].default
MIDDLE = 0.5  # the draw that leaves a step of the schedule as it is
FAILURES: list[AttemptResult] = [
    *(Responded(code) for code in (100, 199, 300, 301, 304, 308, 400, 401, 404, 408, 409, 411, 422, 429)),
    *(Responded(code) for code in (500, 502, 503, 504, 599, 999, 0)),
    Unreachable("timeout"),
    Unreachable("tls"),
]


def wait_after(result: AttemptResult, failures: int = 0, jitter: float = MIDDLE) -> float:
    """Return the wait that a failed attempt leads to, in seconds."""
    verdict = judge(result, failures, START, DEFAULT_SCHEDULE, jitter)
    assert isinstance(verdict, RetryAt | Suspect)
    return verdict.at - START


@pytest.mark.parametrize("code", [200, 201, 202, 204, 206, 226, 299])
@pytest.mark.parametrize("failures", [0, 3, 10, 99])
def test_2xx_is_success_whenever_it_comes(code: int, failures: int) -> None:
    assert judge(Responded(code), failures, START, DEFAULT_SCHEDULE, MIDDLE) == Delivered()


@pytest.mark.parametrize("failures", [0, 3, 10, 99])
def test_410_ends_the_subscription(failures: int) -> None:
    assert judge(Responded(410, 60.0), failures, START, DEFAULT_SCHEDULE, MIDDLE) == Gone()


@pytest.mark.parametrize("result", FAILURES, ids=repr)
def test_everything_else_is_retried_on_the_schedule_and_then_kept(result: AttemptResult) -> None:
    waits = [wait_after(result, failures) for failures in range(10)]
    assert waits == pytest.approx(
        [1, 5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 1 * HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR]
    )
    assert judge(result, 10, START, DEFAULT_SCHEDULE, MIDDLE) == Exhausted()
    assert judge(result, 11, START, DEFAULT_SCHEDULE, MIDDLE) == Exhausted()


@RULE
@given(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.sampled_from(FAILURES))
def test_each_wait_is_spread_by_a_fifth(failures: int, jitter: float, result: AttemptResult) -> None:
    step = DEFAULT_SCHEDULE[failures]
    assert 0.8 * step - 1e-6 <= wait_after(result, failures, jitter) <= 1.2 * step + 1e-6


def test_the_spread_is_used_to_both_ends() -> None:
    assert wait_after(Unreachable("timeout"), 2, 0.0) == pytest.approx(24)
    assert wait_after(Unreachable("timeout"), 2, 1.0) == pytest.approx(36)


@pytest.mark.parametrize(
    ("result", "seconds"),
    [
        (Responded(429, 90.0), 90),
        (Responded(503, 90.0), 90),
        (Responded(503, 0.5), 1),  # never sooner than the schedule
        (Responded(429, 1e9), RETRY_AFTER_MAX_SECONDS),
        (Responded(429, float("inf")), RETRY_AFTER_MAX_SECONDS),
        (Responded(500, 90.0), 1),  # not one of the two that ask for patience
        (Responded(301, 90.0), 1),
        (Responded(404, 90.0), 1),
    ],
    ids=repr,
)
def test_retry_after_is_obeyed_where_it_asks_for_patience(result: AttemptResult, seconds: float) -> None:
    assert wait_after(result) == pytest.approx(seconds)


def test_retry_after_does_not_prolong_the_schedule() -> None:
    assert judge(Responded(503, 90.0), 10, START, DEFAULT_SCHEDULE, MIDDLE) == Exhausted()


def test_a_delivery_is_suspected_once_it_has_failed_often_enough() -> None:
    verdicts = [judge(Responded(500), failures, START, DEFAULT_SCHEDULE, MIDDLE) for failures in range(10)]
    assert [isinstance(verdict, Suspect) for verdict in verdicts] == [False] * 3 + [True] * 7
    held_up = list(accumulate(DEFAULT_SCHEDULE))[SUSPECT_FAILURES - 2]
    assert held_up == 36


@pytest.mark.parametrize(
    ("result", "passable"),
    [
        (Responded(500), True),
        (Responded(422), True),
        (Unreachable("timeout"), True),
        (Unreachable("reset"), True),
        (Unreachable("protocol"), True),
        # The receiver has not seen the event: it would see the next one no more.
        (Unreachable("connect"), False),
        (Unreachable("dns"), False),
        (Unreachable("tls"), False),
        (Unreachable("address_not_allowed"), False),
        (Unreachable("proxy"), False),
    ],
    ids=repr,
)
def test_the_next_event_is_tried_only_where_it_may_be_the_events_fault(
    result: AttemptResult, *, passable: bool
) -> None:
    verdict = judge(result, SUSPECT_FAILURES, START, DEFAULT_SCHEDULE, MIDDLE)
    assert isinstance(verdict, Suspect)
    assert verdict.passable is passable


def test_an_attempt_before_its_time_counts_for_nothing_unless_it_succeeds() -> None:
    due_at = START + 300
    early = [
        judge(result, 10, START, DEFAULT_SCHEDULE, MIDDLE, due_at=due_at)
        for result in (Responded(200), Responded(410), Responded(500), Responded(503, 600), Unreachable("dns"))
    ]
    assert early == [
        Delivered(),
        Gone(),
        Suspect(due_at, passable=True, counted=False),
        Suspect(START + 600, passable=True, counted=False),
        Suspect(due_at, passable=False, counted=False),
    ]
    assert judge(Responded(500), 10, START, DEFAULT_SCHEDULE, MIDDLE, due_at=START) == Exhausted()


@pytest.mark.parametrize("schedule", [(), (0.01,), (0.01, 0.02)])
def test_the_schedule_is_a_setting(schedule: tuple[float, ...]) -> None:
    verdicts = [judge(Unreachable("tls"), failures, START, schedule, MIDDLE) for failures in range(4)]
    waits = [verdict.at - START for verdict in verdicts if isinstance(verdict, RetryAt | Suspect)]
    assert waits == pytest.approx(schedule, abs=1e-6)
    assert verdicts[len(schedule) :] == [Exhausted()] * (4 - len(schedule))


def test_a_long_wait_that_is_asked_for_keeps_the_order() -> None:
    # The receiver asks for patience with all that comes, not with this one event.
    assert judge(Responded(503, 3600), 0, 0.0, DEFAULT_SCHEDULE, 0.5) == RetryAt(3600)
