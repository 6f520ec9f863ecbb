"""The promises about a call's events, whatever polls it was seen in: nothing skipped, nothing twice, one end.

Each test makes an upstream that writes a history entry by entry, asks it at any moments, and drives the
real bytes of its answers through `dialect.parse_answer` and `cadence.after_poll`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cadence import Answered, Pace, PollAgain, PollOutcome, StopPolling, after_poll
from app.domain.call import TERMINAL, status_name
from app.domain.dialect import parse_answer
from app.domain.event import Event, event_id
from app.domain.timestamps import parse_timestamp
from tests.builders import (
    START,
    make_document,
    make_event,
    make_key,
    make_names,
    make_watch,
    named_entries,
    one_key_entries,
)
from tests.domain.strategies import (
    RULE,
    Written,
    histories_by_life,
    histories_by_time,
    lives_on_time,
    poll_outcomes,
)

KEY = make_key()
NAMES = make_names()
PACE = Pace()

SHAPES: tuple[Callable[[Sequence[tuple[str, object]]], list[dict[str, object]]], ...] = (
    one_key_entries,
    named_entries,
)


@dataclass(frozen=True)
class Poll:
    """One look at a history: how much of it is written, and which entry the status field is at."""

    written: int
    status_at: int
    shape: int


def answer_bytes(history: Sequence[Written], poll: Poll, shown: Sequence[Written] | None = None) -> bytes:
    entries = history[: poll.written] if shown is None else shown
    document = make_document(
        key=KEY,
        status=history[poll.status_at][0],
        last_updated=history[poll.status_at][1],
        event_history=SHAPES[poll.shape](entries),
    )
    return json.dumps(document).encode()


def follow(bodies: Iterable[bytes]) -> list[Event]:
    """Return the events that following a call through these answers makes."""
    watch = make_watch(key=KEY)
    events: list[Event] = []
    for number, body in enumerate(bodies):
        step = after_poll(watch, Answered(parse_answer(body, KEY)), START + 3 * number, PACE, 0.5)
        events += step.events
        watch = step.watch
    return events


def ids(events: Iterable[Event]) -> list[str]:
    return [event_id(NAMES, event) for event in events]


def expected_ids(history: Sequence[Written]) -> list[str]:
    """Say by the letter what a history must become: each entry once, the n-th of a status numbered n."""
    counts: Counter[str] = Counter()
    said: set[tuple[str, object]] = set()
    expected = []
    for status, time in history:
        name = status_name(status)
        entry = (name, parse_timestamp(time))
        if entry in said:
            continue
        said.add(entry)
        counts[name] += 1
        expected.append(event_id(NAMES, make_event(name=name, occurrence=counts[name])))
    return expected


@st.composite
def polls_of(draw: st.DrawFn, history: Sequence[Written]) -> list[Poll]:
    """Cut a history into polls; the status field may be right, one step ahead of it, or anywhere behind."""
    cuts = sorted(draw(st.lists(st.integers(0, len(history)), max_size=6)))
    found = []
    for written in cuts:
        ahead = min(written, len(history) - 1)
        earliest = max(0, written - 1) if draw(st.booleans()) else 0
        found.append(Poll(written, draw(st.integers(earliest, ahead)), draw(st.integers(0, 1))))
    whole = Poll(len(history), len(history) - 1, draw(st.integers(0, 1)))
    return [*found, whole]


@st.composite
def with_repetitions(draw: st.DrawFn, history: Sequence[Written]) -> list[Written]:
    """Say some entries again, somewhere behind their first place."""
    told = list(history)
    for entry in draw(st.lists(st.sampled_from(history), max_size=2)):
        last = len(told) - 1 if status_name(told[-1][0]) in TERMINAL else len(told)
        if status_name(entry[0]) not in TERMINAL:
            told.insert(draw(st.integers(min(told.index(entry) + 1, last), last)), entry)
    return told


@RULE
@given(st.data())
def test_any_cut_of_a_history_in_order_gives_the_same_events(data: st.DataObject) -> None:
    history = data.draw(histories_by_time() | histories_by_life())
    polls = data.draw(polls_of(history))
    events = follow(answer_bytes(history, poll) for poll in polls)
    assert ids(events) == expected_ids(history)


@RULE
@given(st.data())
def test_entries_said_again_change_nothing(data: st.DataObject) -> None:
    history = data.draw(histories_by_life())
    told = data.draw(with_repetitions(history))
    polls = data.draw(polls_of(told))
    events = follow(answer_bytes(told, poll) for poll in polls)
    assert ids(events) == expected_ids(history)


@RULE
@given(st.data())
def test_a_shuffled_list_with_distinct_times_is_put_in_order(data: st.DataObject) -> None:
    history = data.draw(lives_on_time())
    bodies = []
    for poll in data.draw(polls_of(history)):
        shown = history[: poll.written]
        shown += data.draw(st.lists(st.sampled_from(shown), max_size=2)) if shown else []
        bodies.append(answer_bytes(history, poll, data.draw(st.permutations(shown))))
    assert ids(follow(bodies)) == expected_ids(history)


@RULE
@given(st.data())
def test_a_list_with_the_newest_first_is_put_in_order(data: st.DataObject) -> None:
    history = data.draw(lives_on_time())
    polls = data.draw(polls_of(history))
    events = follow(answer_bytes(history, poll, history[: poll.written][::-1]) for poll in polls)
    assert ids(events) == expected_ids(history)


@RULE
@given(histories_by_time() | histories_by_life())
def test_each_event_names_the_status_before_it(history: list[Written]) -> None:
    bodies = [answer_bytes(history, Poll(count, count - 1, 0)) for count in range(1, len(history) + 1)]
    for events in (follow(bodies), follow(bodies[-1:])):
        assert [event.previous for event in events] == ["", *(event.status for event in events[:-1])]


@RULE
@given(histories_by_time() | histories_by_life())
def test_a_call_seen_whole_keeps_the_upstreams_words_and_times(history: list[Written]) -> None:
    events = follow([answer_bytes(history, Poll(len(history), len(history) - 1, 0))])
    said = {(status, parse_timestamp(time)) for status, time in history if time}
    timed = {(event.status, parse_timestamp(event.occurred_at)) for event in events}
    first_spellings = {(status_name(status), instant) for status, instant in said}
    assert first_spellings <= {(status_name(status), instant) for status, instant in timed}
    assert {status for status, _ in timed} <= {status for status, _ in history}


def test_a_status_is_taken_for_its_entry_after_one_poll_without_news() -> None:
    history: list[Written] = [("CREATED", "2024-03-15T10:00:00Z"), ("ringing", "2024-03-15T10:00:05Z")]
    ahead, whole = answer_bytes(history, Poll(1, 1, 0)), answer_bytes(history, Poll(2, 1, 0))
    assert len(follow([ahead])) == 1, "its entry may still come, and others before it"
    assert ids(follow([ahead, ahead])) == ids(follow([whole]))
    assert ids(follow([ahead, ahead, whole])) == ids(follow([whole])), "the entry that comes late is no news"


def test_a_history_that_is_never_written_still_gives_every_status_that_was_seen() -> None:
    history: list[Written] = [("CREATED", None), ("in-progress", None), ("completed", None)]
    polls = [Poll(0, status, 0) for status in (0, 0, 1, 1, 2, 2, 2)]
    events = follow(answer_bytes(history, poll) for poll in polls)
    assert [event.type for event in events] == ["call.created", "call.in_progress", "call.completed"]


def test_a_time_told_more_precisely_later_is_the_same_event() -> None:
    coarse: list[Written] = [("CREATED", None), ("ringing", "2024-03-15T10:00:05Z")]
    fine: list[Written] = [("CREATED", "2024-03-15T10:00:00Z"), ("ringing", "2024-03-15T10:00:05.123Z")]
    events = follow([answer_bytes(coarse, Poll(2, 1, 0)), answer_bytes(fine, Poll(2, 1, 0))])
    assert [event.type for event in events] == ["call.created", "call.ringing"]


@pytest.mark.parametrize("ending", sorted(TERMINAL))
def test_every_terminal_status_ends_the_following(ending: str) -> None:
    history: list[Written] = [("CREATED", "2024-03-15T10:00:00Z"), (ending, "2024-03-15T10:00:05Z")]
    answer = parse_answer(answer_bytes(history, Poll(2, 1, 0)), KEY)
    step = after_poll(make_watch(), Answered(answer), START, PACE, 0.5)
    assert step.following == StopPolling()
    assert [event.final for event in step.events] == [False, True]


@RULE
@given(st.lists(poll_outcomes(), max_size=25), st.floats(0, 0.999), st.floats(0.1, 2000))
def test_whatever_the_upstream_does_one_final_event_ends_the_call(
    outcomes: list[PollOutcome], jitter: float, lateness: float
) -> None:
    """The deadline brings the end when nothing else does; what comes after the end makes no event."""
    watch, now = make_watch(), START
    events: list[Event] = []
    for outcome in outcomes:
        step = after_poll(watch, outcome, now, PACE, jitter)
        events += step.events
        ended = any(event.final for event in events)
        assert isinstance(step.following, StopPolling) == step.watch.ended == ended
        watch, now = step.watch, now + lateness
    if outcomes:
        events += after_poll(watch, outcomes[-1], START + PACE.watch_max, PACE, jitter).events
        assert [event.final for event in events] == [False] * (len(events) - 1) + [True]
        assert len(set(ids(events))) == len(events), "two transitions never share an id"


@RULE
@given(poll_outcomes(), poll_outcomes(), st.floats(0, 20_000))
def test_a_poll_done_twice_makes_the_same_events(first: PollOutcome, second: PollOutcome, later: float) -> None:
    """Two workers, or one before and after a crash, decide alike though their clocks differ."""
    watch = after_poll(make_watch(), first, START, PACE, 0.5).watch
    one, other = (after_poll(watch, second, START + later + gap, PACE, 0.5) for gap in (0.0, 0.001))
    if isinstance(one.following, PollAgain) == isinstance(other.following, PollAgain):
        assert ids(one.events) == ids(other.events)
