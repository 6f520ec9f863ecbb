"""What is an idempotency key, and what tells one request from another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.idempotency import MAX_KEY_LENGTH, InvalidIdempotencyKey, fingerprint, idempotency_key

_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


@given(st.text(_PRINTABLE, min_size=1, max_size=MAX_KEY_LENGTH))
def test_every_printable_text_can_be_a_key_in_quotes(text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"')

    assert idempotency_key([f'"{written}"']) == text


@pytest.mark.parametrize("bare", ["8e03978e-40d5-43e8-bc93-6894a57f9324", "a", "deal:4711/b=1", "x" * MAX_KEY_LENGTH])
def test_a_bare_key_is_the_one_in_quotes(bare: str) -> None:
    assert idempotency_key([bare]) == idempotency_key([f' "{bare}" ']) == bare


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ['""'],
        ['"'],
        ['"a'],
        ['a"'],
        ['"a"b'],
        ['"a\\b"'],
        ['"a";p=1'],
        ["a b"],
        ["a,b"],
        ["ü"],
        ['"ü"'],
        ["a\tb"],
        ["x" * (MAX_KEY_LENGTH + 1)],
        ["a", "a"],
    ],
)
def test_what_is_no_key_is_refused(values: list[str]) -> None:
    with pytest.raises(InvalidIdempotencyKey):
        idempotency_key(values)


def test_method_address_and_body_tell_requests_apart() -> None:
    requests = [("POST", "/a?", b"{}"), ("PUT", "/a?", b"{}"), ("POST", "/b?", b"{}"), ("POST", "/a?", b"{ }")]

    assert len({fingerprint(*request) for request in requests}) == 4
    assert fingerprint("POST", "/a?", b"{}") == fingerprint("POST", "/a?", b"{}")
