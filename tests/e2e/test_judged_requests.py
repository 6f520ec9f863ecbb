"""The judge, fed with runs that no receiver can rely on: not signed, not wanted, polled on."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import standardwebhooks

from tests.e2e.judged_runs import FIRST, SECOND, accept, good_run, make_entry
from tests.judge import Delivery, judge
from tests.judgement import Judgement


def faults_of(judgement: Judgement) -> set[str]:
    """The kinds of fault that were found, and that no crash excuses."""
    return {fault.partition(":")[0] for fault in judgement.faults(crashed=True)}


@pytest.mark.parametrize(("polls", "found"), [(2, set()), (3, {"polls after receivers knew of the end"})])
def test_a_crash_does_not_excuse_polling_on_once_receivers_know_of_the_end(polls: int, found: set[str]) -> None:
    run = accept(good_run())
    entry = make_entry()
    entry["polls"] += [
        {"at": (run[-1].at or 0) + 1 + more, "code": 200, "status": "completed"} for more in range(polls)
    ]
    judgement = judge([entry], [FIRST], run)
    assert faults_of(judgement) == found


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def signed(delivery: Delivery, secret: str = SECRET, *, late: float = 1.0) -> Delivery:
    """Give a delivery the headers of Standard Webhooks' own library."""
    at = delivery.at or 0.0
    moment = datetime.fromtimestamp(int(at - late), UTC)
    signature = standardwebhooks.Webhook(secret).sign(delivery.webhook_id, moment, delivery.body.decode())
    headers = {"webhook-id": delivery.webhook_id, "webhook-timestamp": str(int(at - late))}
    return replace(delivery, headers=headers | {"webhook-signature": f"v1,AAAA {signature}"})


def altered(delivery: Delivery, **changes: str) -> Delivery:
    headers = {name.replace("_", "-"): value for name, value in changes.items()}
    return replace(delivery, headers=dict(delivery.headers) | headers)


def test_a_run_that_is_signed_is_genuine() -> None:
    run = [signed(one) for one in accept(good_run())]
    assert judge([make_entry()], [replace(FIRST, secret=SECRET)], run).faults() == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: signed(one, "whsec_" + "A" * 32),
        lambda one: signed(one, late=600),
        lambda one: signed(one, late=-600),
        lambda one: altered(signed(one), webhook_timestamp=str(int(one.at))),
        lambda one: altered(signed(one), webhook_timestamp="now"),
        lambda one: altered(signed(one), webhook_signature=""),
        lambda one: altered(signed(one), webhook_id="evt_other"),
        lambda one: one,
    ],
)
@pytest.mark.parametrize("accepts", [True, False])
def test_what_is_not_signed_as_it_should_be_is_not_genuine(
    spoil: Callable[[Delivery], Delivery], accepts: bool
) -> None:
    run = accept(good_run())
    spoilt = spoil(run[2])
    genuine = [signed(one) for one in run]
    took, refused = ([*genuine[:2], spoilt, *genuine[3:]], []) if accepts else (genuine, [spoilt])
    judgement = judge([make_entry()], [replace(FIRST, secret=SECRET)], took, refused)
    assert faults_of(judgement) == {"not genuine"}


def test_after_a_cancellation_only_what_was_under_way_may_arrive() -> None:
    run = accept(good_run())

    def found(arrived: list[Delivery], begins: float | None) -> list[str]:
        leaver = replace(FIRST, cancelled=True, silences=((begins or 0, math.inf),))
        return judge([make_entry()], [leaver, SECOND], [*arrived, *good_run("/2")]).faults(crashed=True)

    assert found(run[:4], run[1].at) == []
    assert found(run, run[1].at) == ["unwanted: /1: 3"]
    assert found(run[:1], run[1].at) == []
    assert found([], None) == []


def test_a_pause_keeps_back_and_takes_nothing_away() -> None:
    run = accept(good_run())
    pauses = replace(FIRST, silences=((run[0].at or 0, run[4].at or 0),))
    assert faults_of(judge([make_entry()], [pauses], run)) == {"unwanted"}
    assert faults_of(judge([make_entry()], [pauses], [run[0], run[4]])) == {"missing"}


def test_further_subscribers_of_a_call_are_told_apart() -> None:
    judgement = judge([make_entry()], [FIRST, replace(SECOND, beside=True)], good_run() + good_run("/2"))
    assert (judgement.transitions, judgement.expected, judgement.expected_beside) == (5, 10, 5)
