"""What is written short comes back as it was, whatever it is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.timestamps import format_timestamp
from app.store.short_forms import UnknownLayout, long_time, long_word, short_time, short_word

_instants = st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)


@given(_instants)
def test_a_time_as_it_is_told_is_short_and_comes_back(instant: datetime) -> None:
    text = format_timestamp(instant)

    short = short_time(text)

    assert not isinstance(short, str)
    assert long_time(short) == text


@given(st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?[Zz]|.{18,28}", fullmatch=True))
def test_what_only_looks_like_a_time_comes_back_too(text: str) -> None:
    assert long_time(short_time(text)) == text


def test_a_time_is_its_seconds() -> None:
    assert short_time("2024-03-15T10:05:30Z") == 1710497130
    assert short_time("2024-03-15T10:05:30.250Z") == [1710497130, 250_000]


@given(st.text() | st.sampled_from(["completed", "in-progress", "lost", "delivered", ""]))
def test_a_word_comes_back(word: str) -> None:
    assert long_word(short_word(word)) == word


def test_a_word_of_a_newer_version_is_said_to_be_one() -> None:
    with pytest.raises(UnknownLayout, match="newer Ringback"):
        long_word(200)
