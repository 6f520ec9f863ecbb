"""When a call is given up: what the upstream must say, how often and for how long, and the deadline."""

import pytest

from app.domain.cadence import (
    REFUSALS_BEFORE_LOST,
    Answered,
    Failed,
    InvalidSid,
    NotFound,
    Pace,
    PollAgain,
    PollOutcome,
    Step,
    StopPolling,
    Unauthorized,
    after_poll,
)
from app.domain.watch import Watch
from tests.builders import START, make_answer, make_snapshot, make_transition, make_watch

PACE = Pace()
SEEN = make_watch(snapshot=make_snapshot())  # of a call that rings


def wait_of(step: Step, now: float) -> float:
    """Return how long a step waits for the next poll; it must not be the last."""
    assert isinstance(step.following, PollAgain)
    return step.following.at - now


def lost_by(step: Step) -> str:
    """Return why a step gave the call up; empty when the watch goes on."""
    if step.watch.lost is None:
        return ""
    assert step.following == StopPolling()
    assert [event.type for event in step.events][-1] == "call.lost"
    assert step.events[-1].reason == step.watch.lost
    return step.watch.lost


class TestNotFound:
    @pytest.mark.parametrize(("after", "reason"), [(2, ""), (59.9, ""), (60, "not_found"), (75, "not_found")])
    def test_of_a_call_never_seen_is_believed_once_it_had_time_to_appear(self, after: float, reason: str) -> None:
        first = after_poll(make_watch(), NotFound(), START, PACE, 0.5)
        assert wait_of(first, START) == PACE.early
        assert lost_by(after_poll(first.watch, NotFound(), START + after, PACE, 0.5)) == reason

    def test_of_a_call_never_seen_counts_from_the_first_one(self) -> None:
        watch = make_watch()
        for second in (0, 5, 20):
            watch = after_poll(watch, Failed("http_500"), START + second, PACE, 0.5).watch
        assert lost_by(after_poll(watch, NotFound(), START + 90, PACE, 0.5)) == ""

    def test_right_behind_an_incident_proves_little(self) -> None:
        watch = after_poll(SEEN, NotFound(), START, PACE, 0.5).watch
        for second in (5, 20, 50):
            watch = after_poll(watch, Failed("http_500"), START + second, PACE, 0.5).watch
        step = after_poll(watch, NotFound(), START + 90, PACE, 0.5)
        assert lost_by(step) == ""
        assert lost_by(after_poll(step.watch, NotFound(), START + 150, PACE, 0.5)) == "expired"

    def test_of_a_call_that_was_seen_is_believed_after_the_same_grace(self) -> None:
        """It is gone two hours after its end, and one poll may have hit a machine that does not know it."""
        first = after_poll(SEEN, NotFound(), START + 500, PACE, 0.5)
        assert lost_by(first) == ""
        assert wait_of(first, START + 500) == PACE.early
        assert lost_by(after_poll(first.watch, NotFound(), START + 559.9, PACE, 0.5)) == ""
        last = after_poll(first.watch, NotFound(), START + 560, PACE, 0.5)
        assert lost_by(last) == "expired"
        assert last.events[0].previous == "ringing"

    def test_is_forgotten_when_the_call_is_there_again(self) -> None:
        watch = after_poll(SEEN, NotFound(), START, PACE, 0.5).watch
        watch = after_poll(watch, Answered(make_answer()), START + 50, PACE, 0.5).watch
        assert lost_by(after_poll(watch, NotFound(), START + 70, PACE, 0.5)) == ""

    def test_is_an_answer_and_so_does_not_feed_the_backoff(self) -> None:
        step = after_poll(make_watch(), NotFound(), START + 1, PACE, 0.5)
        for second in range(2, 12):
            step = after_poll(step.watch, NotFound(), START + second, PACE, 0.5)
        failed = after_poll(step.watch, Failed("http_500"), START + 13, PACE, 1.0)
        assert wait_of(failed, START + 13) == 2 * PACE.early

    def test_goes_on_counting_across_a_failure(self) -> None:
        watch = after_poll(SEEN, NotFound(), START, PACE, 0.5).watch
        watch = after_poll(watch, Failed("http_500"), START + 30, PACE, 0.5).watch
        assert lost_by(after_poll(watch, NotFound(), START + 60, PACE, 0.5)) == "expired"


class TestUnauthorized:
    def test_for_a_call_never_seen_is_believed_the_third_time(self) -> None:
        watch, reasons = make_watch(), []
        for _ in range(REFUSALS_BEFORE_LOST):
            step = after_poll(watch, Unauthorized(), START, PACE, 0.5)
            reasons.append(lost_by(step))
            watch = step.watch
        assert reasons == ["", "", "unauthorized"]

    def test_for_a_call_that_was_seen_is_believed_after_the_grace(self) -> None:
        watch = SEEN
        for after in (0, 20, 40, 59.9):
            step = after_poll(watch, Unauthorized(), START + after, PACE, 0.5)
            assert lost_by(step) == ""
            watch = step.watch
        assert lost_by(after_poll(watch, Unauthorized(), START + 60, PACE, 0.5)) == "unauthorized"

    def test_is_asked_again_with_growing_patience(self) -> None:
        watch, waits = SEEN, []
        for _ in range(3):
            step = after_poll(watch, Unauthorized(), START, PACE, 0.5)
            waits.append(wait_of(step, START))
            watch = step.watch
        assert waits == [3, 5, 9]

    @pytest.mark.parametrize("between", [Failed("http_500"), NotFound(), Answered(make_answer())])
    def test_counts_only_refusals_in_a_row(self, between: PollOutcome) -> None:
        watch = make_watch()
        for outcome in (Unauthorized(), Unauthorized(), between, Unauthorized()):
            step = after_poll(watch, outcome, START, PACE, 0.5)
            assert lost_by(step) == ""
            watch = step.watch


class TestAnInvalidSid:
    def test_is_believed_at_once_for_a_call_never_seen(self) -> None:
        step = after_poll(make_watch(), InvalidSid(), START, PACE, 0.5)
        assert lost_by(step) == "invalid_call_sid"
        assert step.events[0].previous == ""

    def test_is_a_failure_for_a_call_that_was_seen(self) -> None:
        step = after_poll(SEEN, InvalidSid(), START, PACE, 0.5)
        assert lost_by(step) == ""
        assert step == after_poll(SEEN, Failed("http_400"), START, PACE, 0.5)


class TestTheDeadline:
    DEADLINE = START + PACE.watch_max

    @pytest.mark.parametrize(
        "outcome",
        [Answered(make_answer()), NotFound(), Unauthorized(), InvalidSid(), Failed("http_503", 800.0)],
        ids=repr,
    )
    def test_is_the_last_moment_at_which_a_call_is_asked_for(self, outcome: PollOutcome) -> None:
        before = after_poll(SEEN, outcome, self.DEADLINE - 0.5, PACE, 0.9)
        assert before.following == PollAgain(self.DEADLINE)
        assert lost_by(after_poll(SEEN, outcome, self.DEADLINE, PACE, 0.9)) == "watch_expired"

    def test_comes_after_the_news_of_its_own_poll(self) -> None:
        answered = make_transition(name="in_progress", status="in-progress")
        answer = make_answer(status="in-progress", history=[make_transition(), answered])
        step = after_poll(SEEN, Answered(answer), self.DEADLINE, PACE, 0.5)
        assert [event.type for event in step.events] == ["call.in_progress", "call.lost"]
        assert [event.previous for event in step.events] == ["ringing", "in-progress"]

    def test_does_not_matter_to_a_call_that_ends_in_time(self) -> None:
        ending = make_transition(name="completed", status="completed")
        answer = make_answer(status="completed", history=[make_transition(), ending])
        step = after_poll(SEEN, Answered(answer), self.DEADLINE + 10, PACE, 0.5)
        assert step.watch.lost is None
        assert [event.type for event in step.events] == ["call.completed"]

    def test_leaves_a_better_reason_its_word(self) -> None:
        step = after_poll(make_watch(), NotFound(), self.DEADLINE - 60, PACE, 0.5)
        assert lost_by(after_poll(step.watch, NotFound(), self.DEADLINE, PACE, 0.5)) == "not_found"


@pytest.mark.parametrize(
    "outcome", [Answered(make_answer()), NotFound(), Unauthorized(), InvalidSid(), Failed("timeout")], ids=repr
)
@pytest.mark.parametrize(
    "watch",
    [make_watch(lost="not_found"), make_watch(snapshot=make_snapshot(seen={"completed": 1}))],
    ids=["lost", "completed"],
)
def test_a_watch_that_has_ended_stays_as_it_is(watch: Watch, outcome: PollOutcome) -> None:
    late = START + 10 * PACE.watch_max
    assert after_poll(watch, outcome, late, PACE, 0.5) == Step(watch, (), StopPolling())
