"""What is known of a call, and what an answer adds to it."""

from dataclasses import replace

import pytest

from app.domain.call import TERMINAL, Answer, Phase, Transition
from app.domain.snapshot import Ahead, Snapshot, diff
from tests.builders import make_answer, make_snapshot, make_transition

RINGING = make_transition()
IN_PROGRESS = make_transition(name="in_progress", status="in-progress", at="2024-03-15T10:00:12Z")
COMPLETED = make_transition(name="completed", status="completed", at="2024-03-15T10:05:30Z")


def told(*history: Transition, status: str = "") -> Answer:
    return make_answer(history=history, status=status or (history[-1].status if history else "ringing"))


def test_the_first_answer_brings_the_whole_history() -> None:
    change = diff(Snapshot(), told(RINGING, IN_PROGRESS))
    assert change.transitions == (RINGING, IN_PROGRESS)
    assert change.snapshot == Snapshot(
        status="in-progress",
        latest="in-progress",
        created_at="2024-03-15T10:00:00Z",
        last_updated="2024-03-15T10:00:05Z",
        client_env="production",
        seen={"ringing": 1, "in_progress": 1},
    )


def test_the_same_answer_again_brings_nothing() -> None:
    first = diff(Snapshot(), told(RINGING, IN_PROGRESS))
    again = diff(first.snapshot, told(RINGING, IN_PROGRESS))
    assert again.transitions == ()
    assert again.snapshot == first.snapshot


def test_only_what_is_new_is_a_transition() -> None:
    before = make_snapshot()
    change = diff(before, told(RINGING, IN_PROGRESS, replace(RINGING, occurrence=2)))
    assert [step.identity for step in change.transitions] == [("in_progress", 1), ("ringing", 2)]
    assert change.snapshot.seen == {"ringing": 2, "in_progress": 1}
    assert before.seen == {"ringing": 1}, "the snapshot before is left as it was"


@pytest.mark.parametrize("shorter", [told(RINGING), told(status="in-progress"), told(status="ringing")])
def test_an_answer_that_forgets_entries_takes_nothing_back(shorter: Answer) -> None:
    before = diff(Snapshot(), told(RINGING, IN_PROGRESS)).snapshot
    change = diff(before, shorter)
    assert change.transitions == ()
    assert change.snapshot.seen == before.seen
    assert change.snapshot.latest == "in-progress"


def test_fields_that_an_answer_leaves_out_are_kept() -> None:
    before = make_snapshot()
    after = diff(before, make_answer(created_at="", last_updated="", client_env="")).snapshot
    assert after == before


@pytest.mark.parametrize("ending", sorted(TERMINAL))
def test_after_the_end_nothing_changes_any_more(ending: str) -> None:
    ended = make_snapshot(seen={"ringing": 1, ending: 1})
    assert ended.ended
    assert ended.phase is Phase.ENDED
    change = diff(ended, told(RINGING, IN_PROGRESS, status="in-progress"))
    assert change.transitions == ()
    assert change.snapshot is ended


class TestAStatusAheadOfItsHistory:
    def test_waits_one_poll_for_its_entry(self) -> None:
        change = diff(make_snapshot(), told(RINGING, status="in-progress"))
        assert change.transitions == ()
        assert change.snapshot.ahead == Ahead("in-progress", "2024-03-15T10:00:05Z")

    def test_is_a_transition_once_the_history_stands_still(self) -> None:
        waiting = diff(make_snapshot(), told(RINGING, status="in-progress")).snapshot
        change = diff(waiting, told(RINGING, status="in-progress"))
        assert change.transitions == (Transition("in_progress", "in-progress", 1, "2024-03-15T10:00:05Z"),)
        assert change.snapshot.ahead is None
        assert diff(change.snapshot, told(RINGING, IN_PROGRESS)).transitions == ()

    def test_waits_on_while_other_entries_come(self) -> None:
        queued = make_transition(name="queued", status="queued")
        waiting = diff(Snapshot(), told(status="in-progress")).snapshot
        change = diff(waiting, told(queued, status="in-progress"))
        assert change.transitions == (queued,)
        assert change.snapshot.ahead is not None
        assert diff(change.snapshot, told(queued, RINGING, IN_PROGRESS)).transitions == (RINGING, IN_PROGRESS)

    def test_is_forgotten_when_its_entry_comes(self) -> None:
        waiting = diff(make_snapshot(), told(RINGING, status="in-progress")).snapshot
        change = diff(waiting, told(RINGING, IN_PROGRESS))
        assert change.transitions == (IN_PROGRESS,)
        assert change.snapshot.ahead is None

    def test_does_not_end_the_call_before_its_turn(self) -> None:
        waiting = diff(make_snapshot(), told(RINGING, status="completed")).snapshot
        assert not waiting.ended
        change = diff(waiting, told(RINGING, IN_PROGRESS, COMPLETED))
        assert change.transitions == (IN_PROGRESS, COMPLETED)
        assert change.snapshot.ended

    def test_ends_the_call_once_the_history_stands_still(self) -> None:
        waiting = diff(make_snapshot(), told(RINGING, status="no-answer")).snapshot
        change = diff(waiting, told(RINGING, status="no-answer"))
        assert [step.name for step in change.transitions] == ["no_answer"]
        assert change.snapshot.ended
        assert change.snapshot.ahead is None


def test_nothing_waits_for_an_entry_once_the_history_has_ended() -> None:
    change = diff(make_snapshot(), told(RINGING, COMPLETED, status="on-hold"))
    assert change.snapshot.ended
    assert change.snapshot.ahead is None


def test_a_status_behind_its_history_is_no_news() -> None:
    change = diff(make_snapshot(), told(RINGING, IN_PROGRESS, status="ringing"))
    assert change.transitions == (IN_PROGRESS,)
    assert change.snapshot.ahead is None


@pytest.mark.parametrize(
    ("status", "latest", "seen", "phase"),
    [
        ("", "", {}, Phase.WAITING),
        ("CREATED", "CREATED", {"created": 1}, Phase.WAITING),
        ("queued", "queued", {"queued": 1}, Phase.WAITING),
        ("ringing", "ringing", {"ringing": 1}, Phase.RINGING),
        ("in-progress", "in-progress", {"in_progress": 1}, Phase.IN_PROGRESS),
        ("in-progress", "ringing", {"ringing": 1}, Phase.IN_PROGRESS),
        ("queued", "ringing", {"ringing": 1}, Phase.RINGING),
        ("ringing", "in-progress", {"in_progress": 1}, Phase.IN_PROGRESS),
        ("completed", "ringing", {"ringing": 1}, Phase.RINGING),
        ("completed", "completed", {"completed": 1}, Phase.ENDED),
        ("on-hold", "on-hold", {"ringing": 1, "on_hold": 1}, Phase.WAITING),
        ("on-hold", "on-hold", {"in_progress": 1, "on_hold": 1}, Phase.IN_PROGRESS),
        ("on-hold", "ringing", {"ringing": 1}, Phase.RINGING),
    ],
)
def test_the_phase_is_the_later_of_what_status_and_history_say(
    status: str, latest: str, seen: dict[str, int], phase: Phase
) -> None:
    assert make_snapshot(status=status, latest=latest, seen=seen).phase is phase
