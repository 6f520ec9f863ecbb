"""What a process remembers of the journals."""

from app.service.live.window import MOST_REMEMBERED, Remembered, Window
from app.store.journal import BEGINNING, Entry, Order
from app.store.keys import Partition
from app.store.watches import CallPlace

PLACE = CallPlace(Partition(1), "w" * 24)


def _entry(ms: int, *event_ids: str) -> Entry:
    return Entry(Order(ms, 0, 1), PLACE, 1, event_ids or (f"evt_{ms}",))


def test_what_lies_behind_an_event() -> None:
    window = Window([_entry(1), _entry(2, "evt_a", "evt_b"), _entry(3)])
    place = window.place_of("evt_a")
    assert place
    assert place.events == 1
    behind, complete = window.behind(place)
    assert [one.entry.order.ms for one in behind] == [2, 3]
    assert complete
    assert window.place_of("evt_unknown") is None


def test_the_oldest_are_forgotten_and_what_lies_behind_them_is_not_complete() -> None:
    window = Window([_entry(ms) for ms in range(1, MOST_REMEMBERED + 3)])
    assert window.place_of("evt_2") is None
    assert window.place_of("evt_3")
    assert window.complete_since == Order(3, 0, 1)
    assert not window.knows(_entry(2))
    assert window.knows(_entry(3))


def test_behind_what_was_missed_nothing_is_complete() -> None:
    window = Window([_entry(1), _entry(2)])
    window.broken()
    before, at = window.place_of("evt_1"), window.place_of("evt_2")
    assert before
    assert at
    assert not window.behind(before)[1]
    assert window.behind(at)[1]


def test_what_comes_late_spoils_what_was_complete_before() -> None:
    window = Window([_entry(1), _entry(5)], BEGINNING)
    window.add(Remembered(_entry(3)))
    before = window.place_of("evt_1")
    assert before
    behind, complete = window.behind(before)
    assert [one.entry.order.ms for one in behind] == [1, 5, 3]
    assert not complete
