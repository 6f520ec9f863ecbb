"""The `Retry-After` header of RFC 9110, section 10.2.3."""

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retry_after import retry_after_seconds
from tests.builders import START
from tests.domain.strategies import RULE


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("9" * 5000, 999_999_999_999),  # more digits than Python turns into a number
        ("Fri, 15 Mar 2024 10:02:00 GMT", 120),
        ("Friday, 15-Mar-24 10:02:00 GMT", 120),
        ("Fri Mar 15 10:02:00 2024", 120),
        ("Fri, 15 Mar 2024 11:02:00 +0100", 120),
        ("Fri, 15 Mar 2024 09:59:00 GMT", 0),
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("١٢٠", 0),
        ("Fri, 99 Mar 2024 10:02:00 GMT", 0),
        ("Fri, 15 Mar 0000 10:02:00 GMT", 0),
    ],
)
def test_seconds_and_every_date_that_http_allows(value: str | None, seconds: float) -> None:
    assert retry_after_seconds(value, START) == seconds


@pytest.fixture
def _clock_of_new_york() -> Iterator[None]:
    """Let this process live in another zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "EST5EDT,M3.2.0,M11.1.0"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_clock_of_new_york")
@pytest.mark.parametrize("value", ["Fri Mar 15 10:02:00 2024", "Fri, 15 Mar 2024 10:02:00 -0000"])
def test_a_date_without_a_zone_is_utc_wherever_this_machine_stands(value: str) -> None:
    assert time.timezone == 5 * 3600
    assert retry_after_seconds(value, START) == 120


@RULE
@given(
    st.text(max_size=40)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,9} \d{1,6}:\d\d:\d\d [A-Z+-]{1,3}\d{0,12}")
    | st.from_regex(r"[0-9]{1,5000}", fullmatch=True)
)
def test_nonsense_asks_for_no_wait_and_is_no_error(value: str) -> None:
    assert retry_after_seconds(value, START) >= 0.0
