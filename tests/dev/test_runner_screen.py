"""What is known of calls, and how it is shown."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.dev.listener import Received, Rejected, Verified
from app.dev.runner.board import Board, FollowedCall
from app.dev.runner.screen import LiveScreen, line, table

_AT = 1_710_496_830.0  # 2024-03-15T10:00:30Z
_NAMES = ("created", "queued", "ringing", "in_progress", "completed")


def _received(sequence: int, name: str | None = None, **overrides: Any) -> Received:
    name = name or _NAMES[sequence - 1]
    values: dict[str, Any] = {
        "received_at": _AT,
        "path": "/events",
        "verdict": Verified(),
        "webhook_id": f"evt_{sequence}",
        "event_type": f"call.{name}",
        "sequence": sequence,
        "call_sid": "OUT-12345678-9",
        "subscription_id": "sub_1",
        "status": name,
        "final": name == "completed",
        "occurred_at": "2024-03-15T10:00:28.5Z",
        "body": b"{}",
    }
    return Received(**{**values, **overrides})


def _board(*received: Received) -> Board:
    board = Board()
    for one in received:
        board.add(one)
    return board


def _only_call(board: Board) -> FollowedCall:
    (call,) = board.shown(10)
    return call


def test_a_life_is_told_by_its_events() -> None:
    call = _only_call(_board(*(_received(sequence) for sequence in range(1, 6))))
    assert call.life == _NAMES
    assert call.flawless
    assert call.delay == pytest.approx(1.5)


@given(st.lists(st.integers(1, 5), max_size=12))
def test_a_call_is_flawless_only_if_its_events_came_in_order_and_none_is_missing(sequences: list[int]) -> None:
    board = _board(*(_received(sequence) for sequence in sequences))
    first_arrivals = list(dict.fromkeys(sequences))
    flawless = [call.flawless for call in board.shown(1)]
    assert flawless == ([first_arrivals == [1, 2, 3, 4, 5]] if sequences else [])


def test_what_is_not_signed_is_counted_and_not_believed() -> None:
    forged = _received(5, verdict=Rejected("No signature matches."))
    call = _only_call(_board(*(_received(sequence) for sequence in range(1, 5)), forged))
    assert call.life == _NAMES[:4]
    assert not call.final
    assert call.rejected == 1


def test_a_forged_delivery_of_an_unknown_call_leaves_no_trace() -> None:
    assert _board(_received(1, verdict=Rejected("No signature matches."))).shown(10) == []


def test_calls_that_go_on_are_shown_before_those_that_are_over() -> None:
    board = _board(_received(1, call_sid="OUT-a"))
    for number in range(5):
        board.add(_received(5, call_sid=f"OUT-over-{number}"))
    assert [call.call_sid for call in board.shown(3)] == ["OUT-a", "OUT-over-3", "OUT-over-4"]


def test_calls_are_over_when_the_last_one_is() -> None:
    sids = frozenset({"OUT-a", "OUT-b"})
    board = _board(_received(5, call_sid="OUT-a"))
    assert board.over(sids) is None
    board.add(_received(1, call_sid="OUT-b"))
    assert board.over(sids) is None
    board.add(_received(5, call_sid="OUT-b"))
    assert {call.call_sid for call in board.over(sids) or ()} == sids
    assert board.over(frozenset()) is None


def test_a_run_of_days_does_not_remember_every_call() -> None:
    board = Board()
    for number in range(2000):
        board.expect(f"OUT-{number}")
    assert len(board.shown(10_000)) == 500


def test_a_line_tells_when_which_what_how_late_and_whether_to_trust_it() -> None:
    words = line(_received(3)).split()
    assert words == ["10:00:30.000", "OUT-12345678-9", "call.ringing", "#3", "1500", "ms", "verified"]


def test_a_rejected_delivery_says_so() -> None:
    assert "REJECTED: No signature matches." in line(_received(3, verdict=Rejected("No signature matches.")))


def test_nothing_received_steers_the_terminal() -> None:
    assert "\x1b" not in line(_received(3, call_sid="OUT-\x1b[2J"))


@pytest.mark.parametrize(("width", "life"), [(120, " → ".join(_NAMES)), (80, "→".join(_NAMES))])
def test_the_table_fits_the_terminal(width: int, life: str) -> None:
    board = _board(*(_received(sequence) for sequence in range(1, 6)))
    board.expect("OUT-00000000-1")
    out = io.StringIO()
    Console(file=out, width=width).print(table(board.shown(10), _AT + 3, wide=width >= 100))
    header, first, second = out.getvalue().splitlines()
    assert life in first
    assert first.split()[0] == "OUT-12345678"
    assert "1.50 s" in first
    assert "✓ 5" in first
    assert ("3 s ago" in first) == ("last event" in header) == (width == 120)
    assert "waiting for its first event" in second


def test_a_rejected_delivery_is_marked_in_the_table() -> None:
    board = _board(_received(1), _received(2, verdict=Rejected("No signature matches.")))
    out = io.StringIO()
    Console(file=out, width=120).print(table(board.shown(10), _AT, wide=True))
    assert "✓ 1 ✗ 1" in out.getvalue()


def test_the_screen_redraws_one_table_and_lets_words_scroll_above_it() -> None:
    out = io.StringIO()
    board = Board()
    screen = LiveScreen(board, Console(file=out, width=120, height=30, force_terminal=True))
    screen.say("hello")
    screen.begin()
    board.add(_received(1))
    screen.delivered(_received(1))
    screen.say("a command " * 30)
    screen.refresh()
    screen.close()
    assert "hello" in out.getvalue()
    # What is to be copied is never broken into lines.
    assert "a command " * 30 in out.getvalue()
    assert "created" in out.getvalue()
