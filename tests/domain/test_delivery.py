"""What a subscription's queue says of each delivery, and how failed ones are sent again."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.delivery import (
    Alive,
    DeliveryStatus,
    Ended,
    Outcome,
    OwnLanes,
    Rewind,
    Standing,
    count_wanted,
    first_since,
    head_of,
    plan_retry,
    status_of,
)
from app.domain.subscription import EventFilter
from tests.builders import LIFE, START, make_event
from tests.domain.strategies import RULE

EVERYTHING = EventFilter()
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
# The vendor's example call, a second apart.
EVENTS = [
    make_event(name=status.lower().replace("-", "_"), status=status, observed_at=START + place)
    for place, (status, _) in enumerate(LIFE, start=1)
]


def make_standing(
    *,
    life: Alive | Ended | None = None,
    wanted: EventFilter = EVERYTHING,
    cursor: int = 0,
    own_lanes: AbstractSet[int] = frozenset(),
    given_up: Mapping[int, float] | None = None,
) -> Standing:
    return Standing(life or Alive(), wanted, cursor, own_lanes, given_up or {})


def _status(standing: Standing, sequence: int, last: Outcome | None = None) -> DeliveryStatus | None:
    return status_of(standing, sequence, EVENTS[sequence - 1], last)


def test_what_is_behind_the_cursor_is_pending() -> None:
    assert _status(make_standing(cursor=2), 3) is DeliveryStatus.PENDING


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_is_behind_the_cursor_is_pending_whatever_was_tried(outcome: Outcome) -> None:
    assert _status(make_standing(cursor=2), 3, outcome) is DeliveryStatus.PENDING


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("delivered", DeliveryStatus.DELIVERED),
        ("failed", DeliveryStatus.FAILED),
        ("retry", DeliveryStatus.CANCELLED),
        ("gone", DeliveryStatus.CANCELLED),
    ],
)
def test_of_what_is_done_with_the_last_attempt_tells(outcome: Outcome, status: DeliveryStatus) -> None:
    assert _status(make_standing(cursor=3), 3, outcome) is status


def test_what_was_passed_over_is_no_delivery() -> None:
    assert _status(make_standing(cursor=3), 3) is None
    assert _status(make_standing(wanted=EventFilter(("final",)), cursor=0), 3) is None


def test_a_delivery_that_was_tried_stays_one_when_the_filter_changes() -> None:
    standing = make_standing(wanted=EventFilter(("final",)), cursor=3, own_lanes={2}, given_up={3: START})

    assert _status(standing, 1, "delivered") is DeliveryStatus.DELIVERED
    assert _status(standing, 2, "retry") is DeliveryStatus.PENDING
    assert _status(standing, 3, "failed") is DeliveryStatus.FAILED


def test_the_end_of_a_subscription_cancels_what_it_had_not_been_sent_and_nothing_later() -> None:
    ended = make_standing(life=Ended(START + 3), cursor=1)

    assert [_status(ended, sequence) for sequence in (2, 3, 4, 5)] == [
        DeliveryStatus.CANCELLED, DeliveryStatus.CANCELLED, None, None,
    ]  # fmt: skip


def test_the_head_is_the_first_wanted_event_behind_the_cursor() -> None:
    assert head_of(make_standing(cursor=2), EVENTS) == 3
    assert head_of(make_standing(cursor=2, wanted=EventFilter(("final",))), EVENTS) == 5
    assert head_of(make_standing(cursor=5), EVENTS) is None


standings = st.builds(
    make_standing,
    life=st.sampled_from([Alive(), Ended(START + 2.5)]),
    wanted=st.sampled_from([EVERYTHING, EventFilter(("final",)), EventFilter(("call.ringing", "call.completed"))]),
    cursor=st.integers(0, 5),
    own_lanes=st.frozensets(st.integers(1, 5)),
    given_up=st.dictionaries(st.integers(1, 5), st.just(START)),
)
sequences = st.integers(1, 5)
last_outcomes = st.sampled_from([None, *OUTCOMES])


@RULE
@given(standings, sequences, last_outcomes)
def test_what_was_given_up_has_failed_whatever_else_is_said(
    standing: Standing, sequence: int, last: Outcome | None
) -> None:
    status = _status(standing, sequence, last)

    if sequence in standing.given_up:
        assert status is DeliveryStatus.FAILED
    elif sequence in standing.own_lanes:
        assert status is DeliveryStatus.PENDING


@RULE
@given(standings, sequences, last_outcomes)
def test_nothing_waits_in_the_queue_of_an_ended_subscription(
    standing: Standing, sequence: int, last: Outcome | None
) -> None:
    if isinstance(standing.life, Ended) and not standing.own_lanes:
        assert _status(standing, sequence, last) is not DeliveryStatus.PENDING


@RULE
@given(standings)
def test_the_head_is_pending_unless_the_subscription_has_ended(standing: Standing) -> None:
    head = head_of(standing, EVENTS)

    if head and isinstance(standing.life, Alive) and head not in standing.given_up:
        assert _status(standing, head) is DeliveryStatus.PENDING


def test_failed_deliveries_up_to_the_cursor_go_out_in_order() -> None:
    standing = make_standing(cursor=4, given_up={3: START, 4: START})

    assert plan_retry(standing, EVENTS, {3, 4}) == Rewind(3)


def test_failed_deliveries_go_alone_when_one_behind_them_has_arrived() -> None:
    standing = make_standing(cursor=5, given_up={2: START, 4: START, 5: START})

    assert plan_retry(standing, EVENTS, {2, 4, 5}) == OwnLanes((2, 4, 5))
    assert plan_retry(standing, EVENTS, {4, 5}) == Rewind(4)
    assert plan_retry(standing, EVENTS, {4}) == OwnLanes((4,))


def test_an_event_that_was_passed_over_does_not_break_the_order() -> None:
    standing = make_standing(wanted=EventFilter(("call.queued", "final")), cursor=5, given_up={2: START, 5: START})

    assert plan_retry(standing, EVENTS, {2, 5}) == Rewind(2)


def test_a_delivery_that_is_retried_on_its_own_is_not_sent_twice() -> None:
    standing = make_standing(wanted=EventFilter(("call.queued",)), cursor=3, own_lanes={3}, given_up={2: START})

    assert plan_retry(standing, EVENTS, {2}) == OwnLanes((2,))


@RULE
@given(st.sets(sequences, min_size=1), st.integers(1, 5))
def test_going_back_sends_nothing_but_what_has_failed(failed: set[int], cursor: int) -> None:
    standing = make_standing(cursor=max(cursor, *failed), given_up=dict.fromkeys(failed, START))

    match plan_retry(standing, EVENTS, failed):
        case Rewind(first):
            assert set(range(first, standing.cursor + 1)) == failed
        case OwnLanes(alone):
            assert list(alone) == sorted(failed)
            assert set(range(min(failed), standing.cursor + 1)) > failed


@RULE
@given(st.lists(st.floats(0, 100), max_size=8).map(sorted), st.none() | st.floats(0, 100))
def test_the_first_event_since_a_time_has_all_later_ones_behind_it(seen: list[float], since: float | None) -> None:
    events = [make_event(observed_at=at) for at in seen]

    first = first_since(events, since)

    assert all(since is not None and event.observed_at < since for event in events[: first - 1])
    assert all(since is None or event.observed_at >= since for event in events[first - 1 :])
    assert count_wanted(make_standing(), events, first) == len(events) - first + 1


def test_only_wanted_events_are_counted() -> None:
    assert count_wanted(make_standing(wanted=EventFilter(("final", "call.queued"))), EVENTS, 1) == 2
    assert count_wanted(make_standing(wanted=EventFilter(("final", "call.queued"))), EVENTS, 3) == 1
