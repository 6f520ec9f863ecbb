"""The judge itself, judged with runs that are faulty on purpose."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.judge import Delivery, Judgement, Subscriber, judge

SID = "OUT-1"
STATUSES = ("CREATED", "queued", "ringing", "in-progress", "completed")
FIRST, SECOND = Subscriber("/1", SID), Subscriber("/2", SID)


def make_entry(*, polls: tuple[str | None, ...] = ("queued", "in-progress", "completed")) -> dict[str, Any]:
    history = [
        {"status": status, "timestamp": f"2024-03-15T10:00:0{place}.000100Z", "at": 1710496800.0001 + place}
        for place, status in enumerate(STATUSES)
    ]
    asked = [{"at": 0.0, "code": 200 if status else 500, "status": status} for status in polls]
    return {"call_sid": SID, "history": history, "polls": asked, "poll_count": len(asked)}


def make_delivery(place: int, *, path: str = "/1", **changes: object) -> Delivery:
    """Return what the contract promises for the call's n-th transition, with some of its data changed."""
    status = STATUSES[place - 1]
    kind = "call." + status.lower().replace("-", "_")
    data = {
        "event_id": f"evt_{place}",
        "sequence": place,
        "final": status == "completed",
        "status": status,
        "previous_status": STATUSES[place - 2] if place > 1 else None,
        "call_sid": SID,
        "occurred_at": f"2024-03-15T10:00:0{place - 1}.000100Z",
        "observed_at": "2024-03-15T10:00:09Z",
        **changes,
    }
    document = {"type": kind, "timestamp": data["occurred_at"], "data": data}
    return Delivery(path, str(data["event_id"]), json.dumps(document).encode())


def good_run(path: str = "/1") -> list[Delivery]:
    return [make_delivery(place, path=path) for place in range(1, 6)]


def faults_of(judgement: Judgement) -> set[str]:
    """The kinds of fault that were found."""
    return {fault.partition(":")[0] for fault in judgement.faults()}


def test_a_good_run_has_no_faults() -> None:
    mixed = [one for pair in zip(good_run(), good_run("/2"), strict=True) for one in pair]
    judgement = judge([make_entry()], [FIRST, SECOND], mixed)
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
    return [*run, make_delivery(2, observed_at="2024-03-15T10:00:11Z")]


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
        (repeated_with_another_id, {"differing", "ids disagree"}),
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
