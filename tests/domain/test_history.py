"""A list of entries, however it was written, becomes the call's transitions in their one order."""

import pytest

from app.domain.call import TERMINAL
from app.domain.history import read_entry, transitions

Told = list[tuple[str, str | None]]


def in_order(told: Told, current: str = "") -> list[tuple[str, int, str]]:
    """Return name, occurrence and second of each transition of a history whose times are `10:00:SS`."""
    entries = [read_entry(status, at and f"2024-03-15T10:00:{at}Z") for status, at in told]
    found = transitions(entries, current)
    return [(*step.identity, step.at[17:-1]) for step in found]


@pytest.mark.parametrize(
    ("told", "ordered"),
    [
        pytest.param([], [], id="no entries"),
        pytest.param(
            [("CREATED", "00"), ("queued", "01"), ("ringing", "05")],
            [("created", 1, "00"), ("queued", 1, "01"), ("ringing", 1, "05")],
            id="as they were written",
        ),
        pytest.param(
            [("ringing", "05"), ("queued", "01"), ("CREATED", "00")],
            [("created", 1, "00"), ("queued", 1, "01"), ("ringing", 1, "05")],
            id="the newest first",
        ),
        pytest.param(
            [("on-hold", "05"), ("CREATED", "00")],
            [("created", 1, "00"), ("on_hold", 1, "05")],
            id="the newest first, with one status only that has a place in a call's life",
        ),
        pytest.param(
            [("queued", "01"), ("ringing", "05"), ("CREATED", "00")],
            [("created", 1, "00"), ("queued", 1, "01"), ("ringing", 1, "05")],
            id="shuffled",
        ),
        pytest.param(
            [("ringing", "05"), ("in-progress", "05"), ("queued", "05"), ("CREATED", "04")],
            [("created", 1, "04"), ("queued", 1, "05"), ("ringing", 1, "05"), ("in_progress", 1, "05")],
            id="shuffled within one second: the course of a call decides",
        ),
        pytest.param(
            [("on-hold", "05"), ("ringing", "05"), ("CREATED", "04")],
            [("created", 1, "04"), ("ringing", 1, "05"), ("on_hold", 1, "05")],
            id="shuffled within one second: what nobody has told us of comes last",
        ),
        pytest.param(
            [("CREATED", "09"), ("queued", "01"), ("ringing", "05")],
            [("created", 1, "09"), ("queued", 1, "01"), ("ringing", 1, "05")],
            id="a clock that was off does not reorder the course of a call",
        ),
        pytest.param(
            [("in-progress", "01"), ("ringing", "02"), ("in-progress", "03")],
            [("in_progress", 1, "01"), ("ringing", 1, "02"), ("in_progress", 2, "03")],
            id="ascending times allow any course, and a status may come back",
        ),
        pytest.param(
            [("CREATED", "00"), ("CREATED", "00"), ("ringing", "05"), ("Created", "00"), ("ringing", "05")],
            [("created", 1, "00"), ("ringing", 1, "05")],
            id="entries said twice",
        ),
        pytest.param(
            [("queued", "05"), ("queued", "06"), ("queued", "06")],
            [("queued", 1, "05"), ("queued", 2, "06")],
            id="the same status at another time is another entry",
        ),
        pytest.param(
            [("CREATED", None), ("queued", None), ("ringing", "05"), ("on-hold", None)],
            [("created", 1, ""), ("queued", 1, ""), ("ringing", 1, "05"), ("on_hold", 1, "")],
            id="entries without a time stand where they stood",
        ),
        pytest.param(
            [("in-progress", "09"), ("on-hold", None), ("ringing", "05")],
            [("ringing", 1, "05"), ("in_progress", 1, "09"), ("on_hold", 1, "")],
            id="an entry without a time follows the one before it",
        ),
        pytest.param(
            [("", "00"), ("ringing", "05"), ("!?", "06")],
            [("ringing", 1, "05")],
            id="an entry without a name is none",
        ),
    ],
)
def test_entries_are_put_in_order_and_numbered(told: Told, ordered: list[tuple[str, int, str]]) -> None:
    assert in_order(told) == ordered


@pytest.mark.parametrize("final", sorted(TERMINAL))
def test_nothing_stands_behind_the_end(final: str) -> None:
    told: Told = [("CREATED", "00"), (final, "05"), ("in-progress", "06")]
    assert [name for name, _, _ in in_order(told)] == ["created", "in_progress", final]


@pytest.mark.parametrize(
    ("current", "ending"),
    [
        ("completed", ("completed", 1, "07")),
        ("failed", ("failed", 1, "05")),
        ("in-progress", ("failed", 1, "05")),  # the first: terminal statuses never change
        ("busy", ("failed", 1, "05")),
    ],
)
def test_one_entry_ends_the_call_though_several_say_they_do(current: str, ending: tuple[str, int, str]) -> None:
    told: Told = [("ringing", "01"), ("failed", "05"), ("completed", "07")]
    assert in_order(told, current) == [("ringing", 1, "01"), ending]


def test_a_call_ends_once_though_the_end_is_told_at_two_times() -> None:
    assert in_order([("completed", "05"), ("completed", "07")], "completed") == [("completed", 1, "05")]


def test_a_transition_keeps_the_status_as_it_was_written_first() -> None:
    entries = [read_entry("IN_PROGRESS", "2024-03-15T10:00:05Z"), read_entry("in-progress", "2024-03-15 10:00:05")]
    assert [step.status for step in transitions(entries, "")] == ["IN_PROGRESS"]
