"""What the mirror tells of a call: the vendor's document, and what it was put together from."""

import json

import pytest
from hypothesis import given

from app.domain import dialect
from app.domain.cadence import Answered, NotFound, Pace, PollAgain, PollOutcome, Unauthorized, after_poll
from app.domain.call import Answer
from app.domain.dialect import parse_answer, write_answer
from app.domain.event import Event, LostReason
from app.domain.mirror import last_answer, mirrored
from app.domain.watch import Trouble, Watch
from tests.builders import LIFE, START, make_body, make_document, make_key, make_watch
from tests.domain.strategies import RULE, Written, histories_by_life, histories_by_time

KEY = make_key()


def _followed(*outcomes: PollOutcome) -> tuple[Watch, list[Event]]:
    """Return a watch, and its events, after such polls."""
    watch, now = make_watch(), START
    events: list[Event] = []
    for outcome in outcomes:
        step = after_poll(watch, outcome, now, Pace(), 0.5)
        watch, now = step.watch, step.following.at if isinstance(step.following, PollAgain) else now
        events += step.events
    return watch, events


def _told(body: bytes) -> Answered:
    return Answered(parse_answer(body, KEY))


def test_the_vendors_example_is_told_word_for_word() -> None:
    watch, events = _followed(_told(make_body(pairs=LIFE[:3])), _told(make_body()))

    answer = mirrored(watch, events)

    assert answer is not None
    assert answer.status_code == 200
    assert json.loads(answer.body) == make_document()


@RULE
@given(histories_by_time())
def test_what_is_written_is_read_as_the_same_answer(told: list[Written]) -> None:
    answer = parse_answer(make_body(pairs=told), KEY)

    assert parse_answer(write_answer(answer, KEY), KEY) == answer


@RULE
@given(histories_by_time())
def test_who_polls_the_mirror_is_told_what_the_upstream_told(told: list[Written]) -> None:
    asked = parse_answer(make_body(pairs=told), KEY)
    watch, events = _followed(Answered(asked))

    mirror = last_answer(watch.snapshot, events)

    assert [step.identity for step in mirror.history] == [step.identity for step in asked.history]
    assert all(theirs.at in ("", ours.at) for ours, theirs in zip(mirror.history, asked.history, strict=True))
    assert (mirror.created_at, mirror.client_env) == (asked.created_at, asked.client_env)
    assert mirror.status == (watch.snapshot.latest if watch.snapshot.ended else asked.status)


@RULE
@given(histories_by_life())
def test_following_the_mirror_is_following_the_upstream(told: list[Written]) -> None:
    """A Ringback behind a Ringback makes the same events."""
    watch, events = _followed(_told(make_body(pairs=told)))
    answer = mirrored(watch, events)
    assert answer is not None

    _, again = _followed(_told(answer.body))

    assert again == events


def test_a_status_behind_its_ended_history_is_told_as_the_end() -> None:
    watch, events = _followed(_told(make_body(status="in-progress", last_updated="2024-03-15T10:00:12Z")))

    assert last_answer(watch.snapshot, events) == Answer(
        "completed", "2024-03-15T10:00:00Z", "2024-03-15T10:05:30Z", "production", _told(make_body()).answer.history
    )


def test_a_status_before_its_entry_is_told_without_the_entry() -> None:
    watch, events = _followed(_told(make_body(pairs=LIFE[:2], status="ringing")))

    answer = last_answer(watch.snapshot, events)

    assert (answer.status, [step.name for step in answer.history]) == ("ringing", ["created", "queued"])


def test_a_call_that_was_lost_keeps_its_last_status() -> None:
    seen = _told(make_body(pairs=LIFE[:4]))
    watch, events = _followed(seen, *[NotFound()] * 20)
    assert watch.lost == "expired"

    answer = mirrored(watch, events)

    assert answer is not None
    assert json.loads(answer.body) == make_document(pairs=LIFE[:4])


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("not_found", dialect.UNKNOWN_CALL),
        ("watch_expired", dialect.UNKNOWN_CALL),
        ("unauthorized", dialect.INVALID_CONNECTOR),
        ("invalid_call_sid", dialect.INVALID_CALL_SID),
    ],
)
def test_a_call_never_seen_is_told_of_as_the_upstream_did(reason: LostReason, told: dialect.WrittenAnswer) -> None:
    assert mirrored(make_watch(lost=reason), ()) == told


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (Trouble(), None),
        (Trouble(denied_since=START), dialect.UNKNOWN_CALL),
        (Trouble(refusals=1, denied_since=START), dialect.INVALID_CONNECTOR),
        (Trouble(failures=2), dialect.UPSTREAM_FAILED),
    ],
)
def test_before_the_first_status_the_upstreams_last_word_is_told(
    trouble: Trouble, told: dialect.WrittenAnswer | None
) -> None:
    assert mirrored(make_watch(trouble=trouble), ()) == told


def test_a_refusal_is_told_of_as_one() -> None:
    watch, events = _followed(Unauthorized())

    assert mirrored(watch, events) == dialect.INVALID_CONNECTOR
