"""The pace of polling: the vendor's "Polling recommendations" as rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cadence import (
    RETRY_AFTER_MAX_SECONDS,
    Answered,
    Failed,
    NotFound,
    Pace,
    PollAgain,
    PollOutcome,
    Step,
    after_poll,
    backoff,
    interval,
)
from app.domain.call import Phase
from app.domain.watch import NO_TROUBLE, Trouble, Watch
from tests.builders import START, make_answer, make_snapshot, make_transition, make_watch
from tests.domain.strategies import RULE, poll_outcomes

PACE = Pace()
# Lower and upper bound of what the vendor recommends, in seconds.
VENDORS_EARLY = (2.0, 5.0)
VENDORS_IN_PROGRESS = (10.0, 30.0)
SEEN = make_watch(snapshot=make_snapshot())  # of a call that rings
ONE_YEAR = 3e7

jitters = st.floats(0, 1, exclude_max=True)


def wait_of(step: Step, now: float) -> float:
    """Return how long a step waits for the next poll; it must not be the last."""
    assert isinstance(step.following, PollAgain)
    return step.following.at - now


class TestTheInterval:
    @pytest.mark.parametrize(
        ("phase", "age", "seconds"),
        [
            (Phase.WAITING, 0, 2),
            (Phase.WAITING, 20, 2),
            (Phase.WAITING, 35, 3.5),
            (Phase.WAITING, 50, 5),
            (Phase.WAITING, 3600, 5),
            (Phase.RINGING, 0, 2),
            (Phase.RINGING, 3600, 2),
            (Phase.IN_PROGRESS, 0, 10),
            (Phase.IN_PROGRESS, 100, 10),
            (Phase.IN_PROGRESS, 200, 20),
            (Phase.IN_PROGRESS, 300, 30),
            (Phase.IN_PROGRESS, 7200, 30),
        ],
    )
    def test_grows_with_the_time_in_the_phase(self, phase: Phase, age: float, seconds: float) -> None:
        assert interval(phase, age, PACE) == pytest.approx(seconds)

    @RULE
    @given(st.sampled_from(Phase), st.floats(-60, ONE_YEAR), st.floats(0, 3600))
    def test_keeps_to_the_vendors_bounds_and_never_shrinks(self, phase: Phase, age: float, later: float) -> None:
        least, most = VENDORS_IN_PROGRESS if phase is Phase.IN_PROGRESS else VENDORS_EARLY
        seconds = interval(phase, age, PACE)
        assert least <= seconds <= most
        assert seconds <= interval(phase, age + later, PACE)

    @pytest.mark.parametrize(
        ("status", "since", "seconds"),
        [("queued", 0, 2), ("queued", 40, 4), ("ringing", 40, 2), ("in-progress", 150, 15)],
    )
    def test_counts_from_when_we_first_saw_the_phase(self, status: str, since: float, seconds: float) -> None:
        name = status.replace("-", "_")
        watch = make_watch(
            phase_since=START - since, snapshot=make_snapshot(status=status, latest=status, seen={name: 1})
        )
        answer = make_answer(status=status, history=[make_transition(name=name, status=status)])
        step = after_poll(watch, Answered(answer), START, PACE, 0.5)
        assert wait_of(step, START) == pytest.approx(seconds)
        assert step.watch.phase_since == START - since

    def test_starts_anew_with_each_phase(self) -> None:
        answered = make_transition(name="in_progress", status="in-progress")
        answer = make_answer(status="in-progress", history=[make_transition(), answered])
        step = after_poll(replace(SEEN, phase_since=START - 400), Answered(answer), START, PACE, 0.5)
        assert step.watch.phase_since == START
        assert wait_of(step, START) == PACE.in_progress

    @pytest.mark.parametrize("status", ["completed", "in-progress", "on-hold"])
    def test_is_the_shortest_while_a_status_waits_for_its_entry(self, status: str) -> None:
        step = after_poll(
            replace(SEEN, phase_since=START - 400), Answered(make_answer(status=status)), START, PACE, 0.5
        )
        assert step.events == ()
        assert wait_of(step, START) == PACE.early


class TestTheTimeOfTheAnswer:
    @pytest.mark.parametrize(("latency", "wait"), [(0.0, 2.0), (0.1, 1.9), (0.2, 1.8), (0.5, 1.8), (9.0, 1.8)])
    def test_is_part_of_the_interval_up_to_a_tenth(self, latency: float, wait: float) -> None:
        step = after_poll(SEEN, Answered(make_answer()), START, PACE, 0.5, latency)
        assert wait_of(step, START) == pytest.approx(wait, abs=1e-6)


class TestTheBackoff:
    @pytest.mark.parametrize(
        ("failures", "shortest", "longest"),
        [(1, 2, 4), (2, 2, 8), (3, 2, 16), (4, 2, 32), (5, 2, 60), (6, 2, 60), (1000, 2, 60), (10**9, 2, 60)],
    )
    def test_is_drawn_below_a_bound_that_doubles(self, failures: int, shortest: float, longest: float) -> None:
        assert backoff(failures, 0.0, PACE, 0.0, PACE.early) == shortest
        assert backoff(failures, 0.0, PACE, 1.0, PACE.early) == longest
        assert backoff(failures, 0.0, PACE, 0.5, PACE.early) == (shortest + longest) / 2

    @pytest.mark.parametrize(
        ("retry_after", "seconds"),
        [(0, 3), (1, 3), (45, 45), (600, 600), (3600, RETRY_AFTER_MAX_SECONDS), (float("inf"), 900), (-5, 3)],
    )
    def test_is_never_shorter_than_what_the_upstream_asks_for_within_reason(
        self, retry_after: float, seconds: float
    ) -> None:
        assert backoff(1, retry_after, PACE, 0.5, PACE.early) == seconds

    @RULE
    @given(st.integers(1, 10**6), st.floats(0, 1e9), jitters, st.floats(0.01, 30), st.floats(0.01, 300))
    def test_keeps_to_its_bounds_whatever_the_settings(
        self, failures: int, retry_after: float, jitter: float, early: float, error_max: float
    ) -> None:
        pace = Pace(early=early, error_max=error_max)
        seconds = backoff(failures, retry_after, pace, jitter, early)
        obeyed = min(retry_after, RETRY_AFTER_MAX_SECONDS)
        assert max(min(early, error_max), obeyed) <= seconds <= max(error_max, obeyed) + 1e-9


class TestAFailure:
    def test_never_makes_the_polls_of_an_answered_call_faster(self) -> None:
        talking = make_watch(
            snapshot=make_snapshot(status="in-progress", latest="in-progress", seen={"in_progress": 1})
        )
        for jitter, seconds in ((0.0, 10.0), (1.0, 20.0)):
            assert wait_of(after_poll(talking, Failed("http_500"), START, PACE, jitter), START) == seconds

    @pytest.mark.parametrize("outcome", [Failed("timeout"), Failed("http_429", 7.0), Failed("malformed")])
    @pytest.mark.parametrize("watch", [make_watch(), SEEN])
    def test_never_ends_the_watch_before_its_deadline(self, watch: Watch, outcome: PollOutcome) -> None:
        now = START
        for count in range(1, 50):
            step = after_poll(watch, outcome, now, PACE, 0.9)
            assert step.events == ()
            assert step.watch.trouble.failures == count
            now += wait_of(step, now)
            watch = step.watch

    def test_waits_longer_the_more_of_them_there_are_in_a_row(self) -> None:
        watch, waits = SEEN, []
        for _ in range(6):
            step = after_poll(watch, Failed("http_500"), START, PACE, 0.5)
            waits.append(wait_of(step, START))
            watch = step.watch
        assert waits == [3, 5, 9, 17, 31, 31]

    def test_is_forgotten_with_the_next_answer(self) -> None:
        watch = replace(SEEN, trouble=Trouble(failures=9, refusals=2, denied_since=START - 50))
        step = after_poll(watch, Answered(make_answer()), START, PACE, 0.5)
        assert step.watch.trouble == NO_TROUBLE
        assert wait_of(step, START) == PACE.early


@RULE
@given(
    st.lists(poll_outcomes(), min_size=1, max_size=15),
    jitters,
    st.sampled_from([PACE, Pace(0.02, 0.05, 0.1, 0.3, 0.6, 0.6, 20.0), Pace(error_max=1.0)]),
)
def test_every_wait_is_within_reason(outcomes: list[PollOutcome], jitter: float, pace: Pace) -> None:
    """Never sooner than the shortest interval, never past the deadline, never longer than its kind allows."""
    watch, now = make_watch(), START
    deadline = START + pace.watch_max
    for outcome in outcomes:
        step = after_poll(watch, outcome, now, pace, jitter)
        if not isinstance(step.following, PollAgain):
            return
        following = step.following.at
        asked = min(outcome.retry_after, RETRY_AFTER_MAX_SECONDS) if isinstance(outcome, Failed) else 0.0
        longest = pace.in_progress_max if isinstance(outcome, Answered | NotFound) else max(pace.error_max, pace.early)
        least = min(pace.early, pace.error_max)
        assert now < following <= deadline
        assert following >= min(now + max(least, asked), deadline) - 1e-6
        assert following <= now + max(longest, asked) + 1e-6
        watch, now = step.watch, following
