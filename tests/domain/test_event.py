"""Events, their ids, and the bytes of their deliveries."""

import json
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import TERMINAL
from app.domain.event import FINAL_NAMES, CallNames, LostReason, event_id, from_transition, lost, payload
from app.domain.subscription import (
    MAX_METADATA_BYTES,
    MAX_METADATA_KEY_LENGTH,
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE_LENGTH,
    MAX_NAME_LENGTH,
    check_metadata,
)
from tests.builders import CONNECTOR, START, make_event, make_key, make_names, make_transition
from tests.domain.strategies import RULE

REASONS: tuple[LostReason, ...] = get_args(LostReason)
LARGEST_BODY = 20_000
PHONE = "\N{TELEPHONE RECEIVER}"


def test_a_transition_becomes_an_event_in_the_upstreams_words_and_time() -> None:
    step = make_transition(name="in_progress", status="in-progress", occurrence=2, at="2024-03-15T10:00:12Z")
    event = from_transition(step, "ringing", START + 13)
    assert event.type == "call.in_progress"
    assert (event.status, event.previous, event.occurrence) == ("in-progress", "ringing", 2)
    assert (event.occurred_at, event.observed_at) == ("2024-03-15T10:00:12Z", START + 13)


def test_where_the_upstream_gave_no_time_ours_takes_its_place() -> None:
    assert from_transition(make_transition(at=""), "", START + 1.5).occurred_at == "2024-03-15T10:00:01.500Z"


def test_the_final_events_are_the_terminal_statuses_and_lost() -> None:
    assert {*TERMINAL, "lost"} == FINAL_NAMES
    assert all(make_event(name=name).final for name in FINAL_NAMES)
    assert not any(make_event(name=name).final for name in ("created", "ringing", "in_progress", "on_hold"))


@pytest.mark.parametrize("reason", REASONS)
def test_losing_a_call_is_a_final_event_with_its_reason(reason: LostReason) -> None:
    event = lost(reason, "ringing", START, START + 60)
    assert (event.type, event.status, event.previous, event.reason) == ("call.lost", "lost", "ringing", reason)
    assert event.final
    assert event.occurred_at == "2024-03-15T10:01:00Z"


class TestTheId:
    def test_never_changes(self) -> None:
        """Receivers deduplicate by it, also across a new release: this value is for ever."""
        assert event_id(make_names(), make_event()) == "evt_recdg3lyic736tk6hfecg2tbl4"
        assert re.fullmatch(r"evt_[a-z2-7]{26}", event_id(make_names(), make_event()))

    @pytest.mark.parametrize(
        "told_otherwise",
        [
            {"status": "COMPLETED"},
            {"previous": "ringing"},
            {"occurred_at": "2024-03-15T10:05:30.123Z"},
            {"observed_at": START},
        ],
        ids=str,
    )
    def test_depends_on_the_transition_alone(self, told_otherwise: dict[str, object]) -> None:
        event = make_event()
        assert event_id(make_names(), replace(event, **told_otherwise)) == event_id(make_names(), event)  # type: ignore[arg-type]

    def test_tells_calls_and_transitions_apart(self) -> None:
        event = make_event()
        ids = {
            event_id(make_names(), event),
            event_id(make_names(account_id="another"), event),
            event_id(make_names(project_id="another"), event),
            event_id(make_names(call_sid="OUT-another"), event),
            event_id(make_names(), replace(event, name="failed")),
            event_id(make_names(), replace(event, occurrence=2)),
        }
        assert len(ids) == 6

    def test_of_a_call_lost_again_after_a_new_registration_is_another(self) -> None:
        ids = {event_id(make_names(), lost("not_found", "", since, since + 60)) for since in (START, START + 100)}
        assert len(ids) == 2

    def test_of_a_lost_call_is_the_same_whenever_and_why_it_was_given_up(self) -> None:
        ids = {event_id(make_names(), lost(reason, "", START, START + late)) for reason in REASONS for late in (60, 61)}
        assert len(ids) == 1


class TestThePayload:
    def test_is_the_contracts_to_the_byte(self) -> None:
        body = payload(
            make_names(),
            make_event(),
            sequence=5,
            subscription_id="sub_0123456789abcdefghjkmn",
            metadata={"lead": "Zoë", "order": "4711"},
        )
        assert body == (
            b'{"type":"call.completed","timestamp":"2024-03-15T10:05:30Z",'
            b'"data":{"event_id":"evt_recdg3lyic736tk6hfecg2tbl4","sequence":5,"final":true,'
            b'"status":"completed","previous_status":"in-progress",'
            b'"call_sid":"OUT-550e8400-e29b-41d4-a716-446655440000",'
            b'"account_id":"your-account-id","project_id":"your-project-id",'
            b'"subscription_id":"sub_0123456789abcdefghjkmn",'
            b'"occurred_at":"2024-03-15T10:05:30Z","observed_at":"2024-03-15T10:05:31.250Z",'
            b'"metadata":{"lead":"Zo\\u00eb","order":"4711"}}}'
        )

    def test_gives_the_reason_of_a_lost_call_and_of_no_other(self) -> None:
        sent = [
            json.loads(payload(make_names(), event, sequence=1, subscription_id="sub_1", metadata={}))
            for event in (lost("expired", "in-progress", START, START + 60), make_event())
        ]
        assert [body["data"].get("reason") for body in sent] == ["expired", None]
        assert "reason" not in sent[1]["data"]

    def test_of_the_first_event_has_no_previous_status(self) -> None:
        body = payload(make_names(), make_event(previous=""), sequence=1, subscription_id="sub_1", metadata={})
        assert json.loads(body)["data"]["previous_status"] is None

    def test_cannot_hold_the_connector(self) -> None:
        names = CallNames.of(make_key())
        assert names == make_names()
        body = payload(names, make_event(), sequence=1, subscription_id="sub_1", metadata={})
        assert CONNECTOR.encode() not in body

    def test_stays_below_its_bound_when_everything_is_as_long_as_it_may_be(self) -> None:
        fits = largest_metadata()
        call = make_names(
            account_id='"' * MAX_NAME_LENGTH, project_id="\\" * MAX_NAME_LENGTH, call_sid="OUT-" + "x" * 124
        )
        event = make_event(status=PHONE * 64, previous=PHONE * 64)
        body = payload(call, event, sequence=10**9, subscription_id="sub_" + "0" * 22, metadata=fits)
        assert len(body) < LARGEST_BODY
        assert len(json.dumps(fits)) == MAX_METADATA_BYTES, "the example is as large as can be"

    @RULE
    @given(
        st.dictionaries(st.text(min_size=1, max_size=MAX_METADATA_KEY_LENGTH), st.text(max_size=80), max_size=6),
        st.text(max_size=64),
    )
    def test_is_ascii_and_reads_back(self, metadata: dict[str, str], status: str) -> None:
        metadata = check_metadata(metadata)
        event = make_event(status=status)
        body = payload(make_names(), event, sequence=1, subscription_id="sub_1", metadata=metadata)
        assert body.isascii()
        assert b"\n" not in body
        assert len(body) < LARGEST_BODY
        data = json.loads(body)["data"]
        assert (data["metadata"], data["status"]) == (metadata, status)
        assert body == payload(make_names(), event, sequence=1, subscription_id="sub_1", metadata=metadata)


def largest_metadata() -> dict[str, str]:
    """Return metadata that is exactly as large as it may be, most of it characters that JSON escapes."""
    keys = [f"{number:02}".ljust(MAX_METADATA_KEY_LENGTH, "k") for number in range(MAX_METADATA_KEYS)]
    metadata = dict.fromkeys(keys, "")
    left = MAX_METADATA_BYTES - len(json.dumps(metadata))
    escaped = len(json.dumps(PHONE)) - 2
    for key in keys[1:]:
        count = min(MAX_METADATA_VALUE_LENGTH, left // escaped)
        metadata[key] = PHONE * count
        left -= count * escaped
    metadata[keys[0]] = "x" * left
    return check_metadata(metadata)
