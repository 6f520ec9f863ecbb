"""Times are read as generously as the upstream writes them, and written in one way."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.timestamps import format_timestamp, format_unix, from_unix, parse_timestamp, unix_seconds
from tests.builders import START
from tests.domain.strategies import RULE, json_documents

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-03-15T10:00:05Z", "2024-03-15T10:00:05Z"),
        ("2024-03-15t10:00:05z", "2024-03-15T10:00:05Z"),
        ("2024-03-15T10:00:05", "2024-03-15T10:00:05Z"),
        ("2024-03-15 10:00:05", "2024-03-15T10:00:05Z"),
        ("  2024-03-15 10:00:05 UTC\n", "2024-03-15T10:00:05Z"),
        ("2024-03-15T10:00:05.5Z", "2024-03-15T10:00:05.500Z"),
        ("2024-03-15T10:00:05,25Z", "2024-03-15T10:00:05.250Z"),
        ("2024-03-15T10:00:05.123456", "2024-03-15T10:00:05.123456Z"),
        ("2024-03-15T10:00:05.123456789Z", "2024-03-15T10:00:05.123456Z"),
        ("2024-03-15T10:00:05.1234567890123456Z", "2024-03-15T10:00:05.123456Z"),
        ("2024-03-15T10:00:05.000Z", "2024-03-15T10:00:05Z"),
        ("2024-03-15T10:00:05+00:00", "2024-03-15T10:00:05Z"),
        ("2024-03-15T10:00:05-00:00", "2024-03-15T10:00:05Z"),
        ("2024-03-15T10:00:05+05:30", "2024-03-15T04:30:05Z"),
        ("2024-03-15T10:00:05-0800", "2024-03-15T18:00:05Z"),
        ("2024-03-15T10:00:05.25 +01", "2024-03-15T09:00:05.250Z"),
        ("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z"),
    ],
)
def test_every_spelling_of_an_instant_is_read(text: str, read: str) -> None:
    instant = parse_timestamp(text)
    assert instant is not None
    assert format_timestamp(instant) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-03-15",
        "10:00:05",
        "2024-03-15T10:00",
        "2024-03-15T10:00:0512",  # seconds of four digits: no telling what was meant
        "2024-03-15T10:00:05.Z",
        "2024-13-15T10:00:05Z",
        "2024-02-30T10:00:05Z",
        "2024-03-15T10:61:05Z",
        "2024-03-15T10:00:05+99:99",
        "2024-03-15T10:00:05 PST",
        "0000-03-15T10:00:05Z",
        "0001-01-01T00:00:00+05:00",  # before the first instant there is
        "9999-12-31T23:59:59-05:00",
        "٢٠٢٤-03-15T10:00:05Z",
        "2024-03-15T10:00:05Z" + " " * 64,
        "2024-03-15T10:00:05Z\x00",
        None,
        True,
        1710496805,
        1710496805.5,
        ["2024-03-15T10:00:05Z"],
        {"time": "2024-03-15T10:00:05Z"},
    ],
)
def test_what_tells_no_instant_is_no_time_and_no_error(text: object) -> None:
    assert parse_timestamp(text) is None


@RULE
@given(json_documents | st.from_regex(r"[0-9T:. +Z-]{10,40}", fullmatch=True))
def test_nothing_that_json_can_hold_breaks_the_reader(value: object) -> None:
    instant = parse_timestamp(value)
    assert instant is None or instant.tzinfo is UTC


@RULE
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 -- hypothesis wants naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_what_is_written_reads_as_the_same_instant(naive: datetime, offset: int) -> None:
    instant = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = format_timestamp(instant)
    assert RFC_3339.fullmatch(text)
    assert parse_timestamp(text) == instant


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (START, "2024-03-15T10:00:00Z"),
        (START + 0.25, "2024-03-15T10:00:00.250Z"),
        (START + 0.0004, "2024-03-15T10:00:00Z"),
        (START + 0.9996, "2024-03-15T10:00:01Z"),
        (1710496805.123, "2024-03-15T10:00:05.123Z"),
    ],
)
def test_our_own_times_are_written_to_the_millisecond(seconds: float, text: str) -> None:
    assert format_unix(seconds) == text


@RULE
@given(st.floats(0, 4e9))
def test_our_own_times_never_show_more_than_milliseconds(seconds: float) -> None:
    text = format_unix(seconds)
    assert re.fullmatch(r"[\dT:-]{19}(\.\d{3})?Z", text)
    read = parse_timestamp(text)
    assert read is not None
    assert abs((read - from_unix(seconds)).total_seconds()) <= 0.000501


def test_a_text_becomes_unix_seconds_where_it_tells_a_time() -> None:
    assert unix_seconds("2024-03-15T10:00:00.250Z") == START + 0.25
    assert unix_seconds("yesterday") is None
