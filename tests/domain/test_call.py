"""Statuses, their phases, and who a call is."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.call import LINE_LENGTH, LOST, MAX_STATUS_LENGTH, PHASES, RANKS, TERMINAL, CallKey, Phase, status_name
from app.domain.subscription import event_filter
from tests.builders import CONNECTOR, make_key, make_transition, make_watch
from tests.domain.strategies import RULE, SPELLINGS


@pytest.mark.parametrize(("name", "spelling"), [(name, text) for name, texts in SPELLINGS.items() for text in texts])
def test_a_status_is_the_same_in_every_spelling(name: str, spelling: str) -> None:
    assert status_name(spelling) == name


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("on-hold", "on_hold"),
        ("  Voicemail  Detected! ", "voicemail_detected"),
        ("AMDResult2Final", "amdresult2_final"),
        ("__ringing__", "ringing"),
        ("ring\x00ing", "ring_ing"),
        ("été", "t"),
        ("", ""),
        ("---", ""),
        ("звонок", ""),
    ],
)
def test_a_status_nobody_has_told_us_of_is_written_in_snake_case(status: str, name: str) -> None:
    assert status_name(status) == name


@pytest.mark.parametrize("status", ["lost", "LOST", " lost ", "Lost"])
def test_no_status_of_the_upstream_can_be_taken_for_our_own_last_word(status: str) -> None:
    """`call.lost` is final; a status that became it would be a final event in the middle of a call."""
    assert status_name(status) == "upstream_lost"
    assert LOST not in PHASES


@RULE
@given(st.text(max_size=200) | st.from_regex(r"([a-z][A-Z]){30,40}", fullmatch=True))
def test_every_name_is_one_that_a_subscription_can_ask_for(status: str) -> None:
    name = status_name(status)
    assert name == "" or re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)
    assert len(name) <= MAX_STATUS_LENGTH
    assert status_name(name) == name or name == LOST
    if name:
        assert event_filter([f"call.{name}"]).wants(f"call.{name}")


def test_the_vendors_five_terminal_statuses_end_a_call() -> None:
    assert {"completed", "failed", "no_answer", "busy", "cancelled"} == TERMINAL
    assert {name for name in PHASES if make_transition(name=name).final} == TERMINAL
    assert not make_transition(name="on_hold").final


def test_a_call_passes_its_phases_in_one_direction() -> None:
    in_order = sorted(RANKS, key=RANKS.__getitem__)
    phases = list(dict.fromkeys(PHASES[name] for name in in_order))
    assert phases == [Phase.WAITING, Phase.RINGING, Phase.IN_PROGRESS, Phase.ENDED]
    assert RANKS.keys() == PHASES.keys()


def test_a_transition_is_identified_by_its_name_and_its_number() -> None:
    step = make_transition()
    assert step.identity == replace(step, status="RINGING", at="").identity
    assert step.identity != replace(step, occurrence=2).identity


FIELDS = ("account_id", "project_id", "connector_id", "call_sid")


@pytest.mark.parametrize("field", FIELDS)
def test_calls_that_differ_in_any_part_are_watched_apart(field: str) -> None:
    key = make_key()
    assert replace(key, **{field: "OUT-another"}).watch_id != key.watch_id


@RULE
@given(*[st.tuples(*[st.text("ab/ ", max_size=3)] * 4)] * 2)
def test_parts_of_a_key_never_run_into_each_other(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    keys = CallKey(*one), CallKey(*other)
    assert (keys[0].watch_id == keys[1].watch_id) == (one == other)


def test_the_watch_id_is_stable_and_tells_nothing_of_the_connector() -> None:
    """The id names keys in the store: another value would orphan every watch of an installation."""
    assert make_key().watch_id == "lPjIAXXKO8LKpasvoqFL0vVD"
    assert make_key(call_sid="OUT-another").watch_id[:LINE_LENGTH] == make_key().watch_id[:LINE_LENGTH]
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", make_key(connector_id="\N{SNOWMAN}").watch_id)


def test_the_connector_is_a_credential_and_is_never_printed() -> None:
    key = make_key()
    for shown in (repr(key), str(key), f"{key}", repr(make_watch(key=key))):
        assert CONNECTOR not in shown
        assert key.call_sid in shown
