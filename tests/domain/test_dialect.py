"""The vendor's answers, and everything that can be wrong with them."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.cadence import Answered, Pace, after_poll
from app.domain.call import Answer, CallKey
from app.domain.dialect import (
    CALL_SID_PREFIX,
    CONNECTOR_HEADER,
    MAX_BODY_BYTES,
    MAX_ENTRIES,
    parse_answer,
    status_path,
)
from app.domain.errors import MalformedAnswer
from app.domain.event import CallNames, event_id, payload
from tests.builders import (
    CONNECTOR,
    LIFE,
    START,
    make_body,
    make_document,
    make_key,
    make_watch,
    named_entries,
    one_key_entries,
)
from tests.domain.strategies import RULE, histories_by_life, json_documents

KEY = make_key()
LIFE_NAMES = ["created", "queued", "ringing", "in_progress", "completed"]


def parse(**fields: object) -> Answer:
    """Parse the vendor's example with some fields replaced."""
    return parse_answer(json.dumps({**make_document(), **fields}).encode(), KEY)


def names(answer: Answer) -> list[str]:
    return [step.name for step in answer.history]


def test_the_address_is_the_vendors() -> None:
    path = "/api/v1/your-account-id/your-project-id/outbound-call/status/OUT-550e8400-e29b-41d4-a716-446655440000"
    assert status_path(KEY) == path
    assert CONNECTOR not in path
    assert (CONNECTOR_HEADER, CALL_SID_PREFIX) == ("X-CONNECTOR-ID", "OUT-")


@pytest.mark.parametrize("hostile", ["a/../../b", "a?b#c", "a%2Fb", "a b", "a\\b", "a;b", "a@b:c"])
def test_no_part_of_a_key_can_change_the_address(hostile: str) -> None:
    path = status_path(CallKey(hostile, hostile, CONNECTOR, hostile))
    assert path.count("/") == status_path(KEY).count("/")
    assert not set(path) & set("?#\\ ;@:")


def test_the_vendors_example_is_read() -> None:
    answer = parse_answer(make_body(), KEY)
    assert answer.status == "completed"
    assert answer.client_env == "production"
    assert (answer.created_at, answer.last_updated) == ("2024-03-15T10:00:00Z", "2024-03-15T10:05:30Z")
    assert [(step.status, step.at) for step in answer.history] == list(LIFE)
    assert names(answer) == LIFE_NAMES


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(one_key_entries(LIFE), id="one key each, as in the example"),
        pytest.param(named_entries(LIFE), id="status and timestamp, as in the prose"),
        pytest.param([*one_key_entries(LIFE[:2]), *named_entries(LIFE[2:])], id="both"),
        pytest.param([dict(LIFE)], id="one object for all"),
        pytest.param(
            [{**entry, "source": "sip", "note": None} for entry in named_entries(LIFE)],
            id="status and timestamp among others",
        ),
        pytest.param(
            [None, 7, "ringing", [], {}, *one_key_entries(LIFE), {"": "2024-03-15T10:00:00Z"}, {"status": 5}],
            id="entries that make no sense are passed over",
        ),
        pytest.param([*one_key_entries(LIFE), *named_entries(LIFE)], id="everything said twice"),
        pytest.param(one_key_entries(LIFE[::-1]), id="the newest first"),
    ],
)
def test_every_shape_of_history_is_read(history: object) -> None:
    answer = parse(event_history=history)
    assert [(step.status, step.at) for step in answer.history] == list(LIFE)


@pytest.mark.parametrize("time", [None, "", "soon", 1710496805, {}, "2024-99-99T00:00:00Z"])
def test_an_entry_without_a_time_that_can_be_read_is_still_an_entry(time: object) -> None:
    assert names(parse(event_history=[{"queued": time}, {"status": "ringing", "timestamp": time}])) == [
        "queued",
        "ringing",
    ]
    assert names(parse(event_history=[{"status": "ringing"}])) == ["ringing"]


@pytest.mark.parametrize("history", [None, [], {}, "ringing", 0, [[]]])
def test_without_a_history_the_status_is_all_that_is_known(history: object) -> None:
    answer = parse(event_history=history, status="ringing")
    assert (answer.status, answer.history) == ("ringing", ())


@pytest.mark.parametrize("status", [None, "", "   ", "?!", "звонок", 5, [], {"ringing": 1}])
@pytest.mark.parametrize("history", [one_key_entries(LIFE[:3]), one_key_entries(LIFE[2::-1])])
def test_without_a_status_the_history_tells_it(status: object, history: object) -> None:
    """Its newest entry, wherever in the list that stands."""
    answer = parse(status=status, event_history=history)
    assert answer.status == "ringing"
    assert names(answer) == LIFE_NAMES[:3]


def test_fields_that_nothing_depends_on_may_be_missing() -> None:
    body = json.dumps({"call_sid": KEY.call_sid, "status": "ringing"}).encode()
    assert parse_answer(body, KEY) == Answer("ringing", "", "", "", ())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"ringing"',
        b"5",
        b"<html>502 Bad Gateway</html>",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"call_sid":' * 50_000,
        b'{"call_sid": ' + b"9" * 10_000 + b"}",
        make_body()[:-1],
        b"\x1f\x8b" + make_body(),
    ],
    ids=lambda body: repr(body[:16]),
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        parse_answer(body, KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"call_sid": "OUT-another"},
        {"call_sid": KEY.call_sid.lower()},
        {"call_sid": None},
        {"call_sid": [KEY.call_sid]},
        {"account_id": "another"},
        {"account_id": ""},
        {"project_id": "another"},
        {"project_id": {}},
        {"status": "", "event_history": []},
        {"status": None, "event_history": None},
        {"status": "?!", "event_history": [{"?!": "2024-03-15T10:00:00Z"}]},
    ],
    ids=json.dumps,
)
def test_an_answer_about_another_call_or_about_nothing_is_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswer):
        parse(**wrong)


@pytest.mark.parametrize("missing", [{"account_id": None}, {"project_id": None}])
def test_an_answer_that_does_not_repeat_whose_call_it_is_will_do(missing: dict[str, Any]) -> None:
    assert parse(**missing).status == "completed"


def test_no_error_repeats_what_the_answer_said() -> None:
    with pytest.raises(MalformedAnswer) as caught:
        parse(call_sid=CONNECTOR)
    assert CONNECTOR not in str(caught.value)
    assert caught.value.__cause__ is None


def spread(count: int, per_object: int) -> list[dict[str, str]]:
    statuses = [f"step {number}" for number in range(count)]
    starts = range(0, len(statuses), per_object)
    return [dict.fromkeys(statuses[start : start + per_object], "2024-03-15T10:00:05Z") for start in starts]


@pytest.mark.parametrize("per_object", [1, 7, 2 * MAX_ENTRIES])
def test_a_history_has_its_bound_however_it_is_written(per_object: int) -> None:
    assert len(parse(event_history=spread(MAX_ENTRIES, per_object)).history) == MAX_ENTRIES
    with pytest.raises(MalformedAnswer):
        parse(event_history=spread(MAX_ENTRIES + 1, per_object))


def test_the_longest_history_fits_into_the_largest_body() -> None:
    times = [f"2024-03-15T{hour:02}:{minute:02}:05.123456+00:00" for hour in range(17) for minute in range(60)]
    pairs = [("in-progress", time) for time in times[:MAX_ENTRIES]]
    body = make_body(pairs=pairs, event_history=named_entries(pairs))
    assert len(body) < MAX_BODY_BYTES
    assert len(parse_answer(body, KEY).history) == MAX_ENTRIES


def test_texts_are_bounded_and_can_be_stored() -> None:
    answer = parse(status="x" * 5000, client_env="\ud800" * 5000, event_history=[{"y" * 5000: None}])
    assert answer.status == "x" * 64
    assert answer.history[0].status == "y" * 64
    assert answer.client_env == "?" * 256


def follow_and_send(body: bytes) -> None:
    """Parse a body; when it is an answer, follow the call with it and write every event's delivery."""
    try:
        answer = parse_answer(body, KEY)
    except MalformedAnswer:
        return
    call, watch = CallNames.of(KEY), make_watch()
    sequence = 0
    for poll in range(3):
        step = after_poll(watch, Answered(answer), START + poll, Pace(), 0.5)
        watch = step.watch
        for event in step.events:
            sequence += 1
            sent = payload(call, event, sequence=sequence, subscription_id="sub_1", metadata={})
            assert json.loads(sent)["data"]["event_id"] == event_id(call, event)
            assert CONNECTOR.encode() not in sent
    snapshot = watch.snapshot
    for text in (snapshot.status, snapshot.latest, snapshot.client_env, *snapshot.seen):
        text.encode()
    assert sequence == sum(snapshot.seen.values())


@RULE
@given(st.binary(max_size=200))
@example(b'\xef\xbb\xbf{"call_sid": 1}')
@example(b"NaN")
@example(b"-Infinity")
@example(b'"\\ud800"')
def test_bytes_are_an_answer_or_malformed_and_nothing_else(body: bytes) -> None:
    follow_and_send(body)


@RULE
@given(json_documents)
def test_a_json_document_is_an_answer_or_malformed_and_nothing_else(document: object) -> None:
    follow_and_send(json.dumps(document).encode())


@st.composite
def garbled_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A valid answer of which some fields, entries, statuses or times are something else."""
    pairs: list[tuple[str, object]] = [*draw(histories_by_life())]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(pairs) - 1))
        pairs[at] = draw(
            st.tuples(st.just(pairs[at][0]), json_documents)
            | st.tuples(st.text(max_size=90), st.just(pairs[at][1]))
            | st.tuples(st.just("\ud800\udfff!lost"), st.just(None))
        )
    history: list[object] = [*draw(st.sampled_from([one_key_entries, named_entries]))(pairs)]
    history += draw(st.lists(json_documents, max_size=2))
    document = make_document(pairs=pairs, event_history=history)
    changed = draw(st.lists(st.sampled_from(sorted(document.keys() - {"call_sid"})), max_size=2))
    return {**document, **{field: draw(json_documents) for field in changed}}


@RULE
@given(garbled_documents())
@example(make_document(status="\ud800"))
@example(make_document(event_history=[{"\ud83d": "\ude00"}]))
@example(make_document(event_history=[{"status": "lost"}, {"lost": None}]))
@example(make_document(created_at=float("nan"), last_updated=float("inf"), event_history=float("-inf")))
@example(make_document(created_at=10**400, event_history=[{"ringing": 10**4000}]))
def test_a_garbled_answer_is_an_answer_or_malformed_and_nothing_else(document: dict[str, Any]) -> None:
    follow_and_send(json.dumps(document).encode())


@RULE
@given(st.data())
def test_a_torn_answer_is_an_answer_or_malformed_and_nothing_else(data: st.DataObject) -> None:
    body = bytearray(make_body())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    follow_and_send(bytes(body))


def test_of_several_keys_those_without_a_time_are_remarks() -> None:
    history = parse(event_history=[{"ringing": "2024-03-15T10:00:05Z", "by": "sip"}, {"queued": None}]).history
    assert [step.name for step in history] == ["ringing", "queued"]
