"""The judge itself, judged with runs that are faulty on purpose."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.e2e.judged_runs import FIRST, SECOND, SID, accept, good_run, make_delivery, make_entry
from tests.judge import Delivery, Subscriber, judge
from tests.judgement import Judgement, percentile


def faults_of(judgement: Judgement) -> set[str]:
    """The kinds of fault that were found."""
    return {fault.partition(":")[0] for fault in judgement.faults()}


def test_a_good_run_has_no_faults() -> None:
    judgement = judge([make_entry()], [FIRST, SECOND], good_run() + good_run("/2"))
    assert judgement.faults() == []
    assert (judgement.transitions, judgement.expected, judgement.delivered_once, judgement.delivered_more) == (
        5, 10, 10, 0,
    )  # fmt: skip


def without_the_third(run: list[Delivery]) -> list[Delivery]:
    return run[:2] + run[3:]


def without_the_final(run: list[Delivery]) -> list[Delivery]:
    return run[:-1]


def swapped(run: list[Delivery]) -> list[Delivery]:
    return [run[0], run[2], run[1], *run[3:]]


def late(run: list[Delivery]) -> list[Delivery]:
    return [*run[:3], run[4], run[3]]


def repeated(run: list[Delivery]) -> list[Delivery]:
    return [*run, run[1]]


def repeated_with_another_body(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(2, metadata={"order": "7"})]


def known_later(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(2, observed_at="2024-03-15T10:00:11Z")]


def ended_twice(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(5, event_id="evt_other")]


def for_another_subscription(run: list[Delivery]) -> list[Delivery]:
    return [*run[:4], make_delivery(5, subscription_id="sub_other")]


def of_another_account(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(1, account_id="other")]


def numbered_with_true(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(1, sequence=True)]


def repeated_with_another_id(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(2, event_id="evt_other")]


def made_up(run: list[Delivery]) -> list[Delivery]:
    return [*run[:4], make_delivery(5, sequence=6), run[4]]


def of_another_time(run: list[Delivery]) -> list[Delivery]:
    return [make_delivery(1, occurred_at="2024-03-15T11:00:00Z"), *run[1:]]


def of_another_call(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(1, call_sid="OUT-2")]


def to_a_stranger(run: list[Delivery]) -> list[Delivery]:
    return [*run, make_delivery(1, path="/stranger")]


def with_a_wrong_header(run: list[Delivery]) -> list[Delivery]:
    return [replace(run[0], webhook_id="evt_9"), *run[1:]]


def no_json(run: list[Delivery]) -> list[Delivery]:
    return [*run, replace(run[0], body=b"<html>")]


def final_flag_missing(run: list[Delivery]) -> list[Delivery]:
    return [*run[:4], make_delivery(5, final=False)]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (without_the_third, {"missing"}),
        (without_the_final, {"missing", "wrong finals"}),
        (swapped, {"out of order"}),
        (late, {"out of order", "after the final event"}),
        (repeated, {"repeated"}),
        (repeated_with_another_body, {"differing"}),
        (known_later, {"known later"}),
        (repeated_with_another_id, {"ids disagree"}),
        (for_another_subscription, {"ids disagree"}),
        (of_another_account, {"unexpected"}),
        (numbered_with_true, {"unexpected"}),
        # Some faults are two by their nature: without a final event one is missing, a second one has another id, and
        # what comes after it is out of order.
        (ended_twice, {"ids disagree", "wrong finals"}),
        (made_up, {"unexpected"}),
        (of_another_time, {"unexpected", "missing"}),
        (of_another_call, {"unexpected"}),
        (to_a_stranger, {"unexpected"}),
        (with_a_wrong_header, {"unexpected", "missing"}),
        (no_json, {"unexpected"}),
        (final_flag_missing, {"unexpected", "missing", "wrong finals"}),
    ],
)
def test_a_fault_is_found_and_called_by_its_name(
    spoil: Callable[[list[Delivery]], list[Delivery]], found: set[str]
) -> None:
    assert faults_of(judge([make_entry()], [FIRST], spoil(good_run()))) == found


def test_one_event_has_one_id_for_all_subscribers() -> None:
    other = [make_delivery(place, path="/2", event_id=f"evt_other_{place}") for place in range(1, 6)]
    judgement = judge([make_entry()], [FIRST, SECOND], good_run() + other)
    assert faults_of(judgement) == {"ids disagree"}


def test_a_subscriber_who_got_nothing_misses_everything() -> None:
    judgement = judge([make_entry()], [FIRST, SECOND], good_run())
    assert len(judgement.missing) == 5
    assert judgement.wrong_finals == ["/2: 0"]


def test_a_poll_after_the_end_was_shown_is_found() -> None:
    entry = make_entry(polls=("completed", None, "completed"))
    judgement = judge([entry], [FIRST], good_run())
    assert faults_of(judgement) == {"polls after the end"}
    assert judgement.polls_after_end == ["OUT-1: 2"]


def test_only_what_is_wanted_is_expected() -> None:
    wants = replace(FIRST, types=frozenset({"call.completed", "call.queued"}))
    run = good_run()
    assert judge([make_entry()], [wants], [run[1], run[4]]).faults() == []
    assert faults_of(judge([make_entry()], [wants], run)) == {"unexpected"}


def test_a_crash_excuses_repetitions_and_a_poll_in_vain_and_nothing_else() -> None:
    entry = make_entry(polls=("completed", "completed"))
    judgement = judge([entry], [FIRST], repeated(good_run()))
    assert judgement.faults(crashed=True) == []
    assert (judgement.delivered_once, judgement.delivered_more) == (4, 1)
    worse = judge([entry], [FIRST], repeated_with_another_body(swapped(good_run())[:4]))
    assert {fault.partition(":")[0] for fault in worse.faults(crashed=True)} == {
        "differing", "missing", "out of order", "wrong finals",
    }  # fmt: skip


def test_what_a_script_tells_after_the_end_is_no_transition() -> None:
    entry = make_entry()
    entry["history"].append({"status": "ringing", "timestamp": "2024-03-15T10:00:09Z", "at": 1.0})
    judgement = judge([entry], [FIRST], good_run())
    assert judgement.faults() == []
    assert judgement.transitions == 5


def refuse(delivery: Delivery, times: int, *, until: float) -> list[Delivery]:
    return [replace(delivery, at=until - 1 - place / 10) for place in range(times)]


@pytest.mark.parametrize(
    ("times", "before", "found"),
    [(4, True, set()), (9, True, set()), (3, True, {"out of order"}), (4, False, {"out of order"})],
)
def test_an_event_may_be_overtaken_where_four_refusals_before_that_prove_it(
    times: int, before: bool, found: set[str]
) -> None:
    run = accept(swapped(good_run()))
    passing = run[1].at
    assert passing is not None
    refused = refuse(make_delivery(2), times, until=passing if before else passing + 5)
    judgement = judge([make_entry()], [FIRST], run, refused)
    assert faults_of(judgement) == found
    assert len(judgement.overtaken) == (not found)


def test_the_refusals_of_another_event_or_subscriber_or_moment_excuse_nothing() -> None:
    run = accept(swapped(good_run()))
    for refused in (
        refuse(make_delivery(4), 4, until=run[1].at or 0),
        refuse(make_delivery(2, path="/2"), 4, until=run[1].at or 0),
        [make_delivery(2)] * 4,
    ):
        judgement = judge([make_entry()], [FIRST, SECOND], [*run, *good_run("/2")], refused)
        assert faults_of(judgement) == {"out of order"}


def test_an_event_that_was_refused_may_come_even_after_the_final_one() -> None:
    run = accept(late(good_run()))
    refused = refuse(make_delivery(4), 4, until=run[3].at or 0)
    assert judge([make_entry()], [FIRST], run, refused).faults() == []
    assert faults_of(judge([make_entry()], [FIRST], run, refused[1:])) == {"out of order", "after the final event"}


def test_what_was_refused_is_held_against_the_truth_too() -> None:
    def found(refused: Delivery) -> set[str]:
        return faults_of(judge([make_entry()], [FIRST], good_run(), [refused]))

    assert found(make_delivery(2)) == set()
    assert found(make_delivery(2, metadata={"order": "7"})) == {"differing"}
    assert found(make_delivery(2, observed_at="2024-03-15T10:00:11Z")) == {"known later"}
    assert found(make_delivery(2, event_id="evt_other")) == {"ids disagree"}
    assert found(make_delivery(2, status="busy")) == {"unexpected"}
    assert found(make_delivery(2, path="/stranger")) == {"unexpected"}


def test_only_a_lost_second_excuses_another_time_of_knowledge() -> None:
    judgement = judge([make_entry()], [FIRST], known_later(good_run()))
    assert len(judgement.faults(crashed=True)) == 1
    assert judgement.faults(crashed=True, lost_a_second=True) == []
    worse = judge([make_entry()], [FIRST], repeated_with_another_body(good_run()))
    assert len(worse.faults(crashed=True, lost_a_second=True)) == 1


def test_final_events_are_counted_for_each_subscription() -> None:
    judgement = judge(
        [make_entry()], [FIRST, SECOND, Subscriber("/3", SID)], [*ended_twice(good_run()), *good_run("/2")]
    )
    assert judgement.finals == {0: 1, 1: 1, 2: 1}
    assert judgement.wrong_finals == ["/1: 2", "/3: 0"]


def test_a_lag_goes_from_the_true_moment_to_the_first_acceptance() -> None:
    run = accept(repeated(good_run()))
    judgement = judge([make_entry()], [FIRST], run, refuse(make_delivery(1), 1, until=1710496805))
    assert judgement.lags() == pytest.approx([10, 11, 12, 13, 14])
    assert judgement.lags(1710496801, 1710496803) == pytest.approx([11, 12])
    assert judgement.stated()["seconds to acceptance, p50"] == pytest.approx(12)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, percent) for percent in (0, 20, 50, 99, 100)] == [1, 1, 3, 5, 5]
    assert percentile([], 50) is None


def test_a_thousand_calls_are_judged_in_no_time() -> None:
    entries = [{**make_entry(), "call_sid": f"OUT-{call}"} for call in range(1000)]
    subscribers = [Subscriber(f"/{call}/{each}", f"OUT-{call}") for call in range(1000) for each in range(2)]
    run = [
        make_delivery(place, path=one.path, call_sid=one.call_sid, event_id=f"{one.call_sid}.{place}")
        for one in subscribers
        for place in range(1, 6)
    ]
    began = time.process_time()
    judgement = judge(entries, subscribers, run)
    # A tenth of this is what it takes.
    assert time.process_time() - began < 5
    assert judgement.faults() == []
    assert judgement.delivered_once == 10_000
