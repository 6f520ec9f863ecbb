"""The circuit breaker's rules."""

import pytest

from app.domain.breaker import LONGEST_COOLDOWN_SECONDS, cooldowns, counts_against, destination_of
from app.domain.retry import AttemptResult, Responded, Unreachable


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://crm.example.com/hooks?tenant=1", "https://crm.example.com:443"),
        ("https://crm.example.com:8443/", "https://crm.example.com:8443"),
        ("http://crm.example.com", "http://crm.example.com:80"),
        ("https://[2606:4700::1111]/hooks", "https://[2606:4700::1111]:443"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9"),
    ],
)
def test_a_destination_is_a_scheme_a_host_and_a_port(url: str, destination: str) -> None:
    assert destination_of(url) == destination


@pytest.mark.parametrize(
    "result",
    [*(Responded(code) for code in (408, 429, 500, 502, 503, 504, 599)), Unreachable("timeout"), Unreachable("dns")],
    ids=repr,
)
def test_no_answer_and_a_servers_trouble_speak_against_a_destination(result: AttemptResult) -> None:
    assert counts_against(result)


@pytest.mark.parametrize("code", [200, 204, 301, 400, 401, 404, 410, 422])
def test_an_answer_of_a_server_that_is_up_does_not(code: int) -> None:
    assert not counts_against(Responded(code))


def test_it_stays_open_as_long_as_a_retry_would_wait_up_to_a_minute() -> None:
    assert cooldowns((1.0, 5.0, 30.0, 120.0, 43200.0)) == (
        1.0, 5.0, 30.0, LONGEST_COOLDOWN_SECONDS, LONGEST_COOLDOWN_SECONDS,
    )  # fmt: skip
