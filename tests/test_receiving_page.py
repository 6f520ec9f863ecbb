"""docs/receiving.md shows the receivers as they are, and its numbers are the code's."""

import re
from typing import Any

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, cooldowns
from app.domain.retry import JITTER_SHARE, RETRY_AFTER_MAX_SECONDS, SUSPECT_FAILURES
from app.domain.signing import TOLERANCE_SECONDS
from app.domain.signing_secrets import DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, MOST_SECRETS
from app.domain.subscription import _RESERVED_PREFIXES, MAX_HEADERS
from app.outbound.callback import EXCERPT_SECONDS, MAX_ANSWER_BYTES
from app.outbound.egress import KEEPALIVE_SECONDS
from app.settings import Settings
from tests.processes import ROOT

DOCS = ROOT / "docs"
PAGE = (DOCS / "receiving.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MOST_LINES = 150
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))


@pytest.mark.parametrize(
    ("language", "name"), [("python", "receiver.py"), ("js", "receiver.mjs"), ("php", "receiver.php")]
)
def test_the_page_shows_each_receiver_whole(language: str, name: str) -> None:
    source = (DOCS / "receivers" / name).read_text()
    assert source in [text for kind, text in _BLOCK.findall(PAGE) if kind == language]
    assert len(source.splitlines()) < _MOST_LINES


def test_its_numbers_are_those_of_the_code() -> None:
    schedule = default("delivery_retry_seconds")
    waits = [duration(step) for step in schedule]
    told = [
        f"after {', '.join(waits[:-1])} and {waits[-1]}, each ±{JITTER_SHARE:.0%}".replace("%", " %"),
        "eleven attempts in about 22 hours",
        "You have 15 s from",
        "fourth** failure",
        "After five failures in a row",
        "1 s, then 5 s, 30 s, and a minute at most",
        "more than 26 hours",
        "a date; twelve hours at most",
        "within five minutes",
        '`{"overlap_seconds": 86400}` (which is what you get without saying so; 30 days at most)',
        "At most five secrets sign at once",
        "up to ten)",
        "1,024 bytes are kept",
        "within a second. An answer that comes too late",
        "on port 443 or 8443",
        "a week from its end",
        "up to 100 of them",
        "four seconds after which Ringback closes",
    ]
    assert [words for words in told if words not in " ".join(PAGE.split())] == []
    assert (len(schedule) + 1, round(sum(schedule) / 3600)) == (11, 22)
    assert max(86400, sum(schedule) * (1 + JITTER_SHARE)) // 3600 == 26
    assert (default("delivery_timeout_seconds"), default("retention_seconds")) == (15, 7 * 86400)
    assert (default("callback_ports"), default("delivery_max_per_destination")) == (("443", "8443"), 100)
    assert (SUSPECT_FAILURES, FAILURES_TO_OPEN, MOST_SECRETS, MAX_HEADERS) == (4, 5, 5, 10)
    assert cooldowns(schedule)[:5] == (1, 5, 30, 60, 60)
    assert (RETRY_AFTER_MAX_SECONDS, TOLERANCE_SECONDS) == (12 * 3600, 300)
    assert (DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS) == (86400, 30 * 86400)
    assert (MAX_ANSWER_BYTES, EXCERPT_SECONDS, KEEPALIVE_SECONDS) == (1024, 1, 4)


def test_it_names_every_reserved_beginning_of_a_header() -> None:
    assert [one for one in _RESERVED_PREFIXES if f"`{one}`" not in PAGE] == []


def default(setting: str) -> Any:
    return Settings.model_fields[setting].default


def duration(seconds: float) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    return f"{seconds / size:g} {unit}"
