"""Which polls wait where a budget is short."""

import pytest

from app.domain.snapshot import Ahead, Snapshot
from app.domain.upstream_budget import CredentialSet, Promise, Urgency, Wish, wish
from tests.builders import CONNECTOR, START, make_key, make_snapshot, make_watch

IN_PROGRESS = make_snapshot(status="in-progress", latest="in-progress", seen={"ringing": 1, "in_progress": 1})
NOW = START + 100


@pytest.mark.parametrize(
    "snapshot", [Snapshot(), make_snapshot(), make_snapshot(status="queued", latest="queued", seen={"queued": 1})]
)
def test_a_call_that_was_not_answered_yet_keeps_its_pace(snapshot: Snapshot) -> None:
    watch = make_watch(snapshot=snapshot)

    assert wish(watch, Promise.NOTHING, NOW - 2, NOW, 30) == Wish(NOW, Urgency.EARLY, NOW)


@pytest.mark.parametrize(
    ("promise", "urgency"),
    [(Promise.NOTHING, Urgency.PATIENT), (Promise.TURN, Urgency.IN_TURN), (Promise.MOMENT, Urgency.IN_TURN)],
)
def test_one_in_progress_may_wait_until_its_pace_is_stretched_to_the_longest(
    promise: Promise, urgency: Urgency
) -> None:
    watch = make_watch(snapshot=IN_PROGRESS)

    assert wish(watch, promise, NOW - 10, NOW, 30) == Wish(NOW, urgency, NOW + 20)
    assert wish(watch, promise, NOW - 30, NOW, 30) == Wish(NOW, Urgency.OVERDUE, NOW)


def test_one_that_seems_to_be_over_does_not_wait() -> None:
    snapshot = make_snapshot(status="completed", latest="in-progress", ahead=Ahead("completed", ""))

    assert wish(make_watch(snapshot=snapshot), Promise.NOTHING, NOW - 10, NOW, 30).urgency is Urgency.EARLY


def test_a_credential_set_does_not_tell_its_connector() -> None:
    credentials = CredentialSet.of(make_key())

    assert CONNECTOR not in f"{credentials} {credentials!r} {credentials.digest}"


def test_calls_of_one_credential_set_have_one_budget() -> None:
    one, another = make_key(call_sid="OUT-1"), make_key(call_sid="OUT-2")

    assert CredentialSet.of(one).digest == CredentialSet.of(another).digest
    for part in ("account_id", "project_id", "connector_id"):
        assert CredentialSet.of(make_key(**{part: "other"})).digest != CredentialSet.of(one).digest
