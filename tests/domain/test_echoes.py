"""What a receiver repeats of its own credentials is not kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.echoes import without_echoes

TOKEN = 'Bearer a"token\\of/the=receiver'
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"nothing of the kind", b"nothing of the kind"),
        (b'Authorization: Bearer a"token\\of/the=receiver!', b"Authorization: ***!"),
        (b'the token a"token\\of/the=receiver is wrong', b"the token *** is wrong"),
        (b'{"authorization": "Bearer a\\"token\\\\of/the=receiver"}', b'{"authorization": "***"}'),
        (b"", b""),
    ],
)
def test_a_value_is_masked_as_it_was_sent_without_its_scheme_and_in_json(said: bytes, kept: bytes) -> None:
    assert without_echoes(said, [TOKEN, "yes"], truncated=False) == kept


def test_a_value_that_is_cut_off_is_masked_where_the_answer_is_not_complete() -> None:
    assert without_echoes(b"you said Bearer a", [TOKEN], truncated=True) == b"you said ***"
    assert without_echoes(b"you said Bear", [TOKEN], truncated=False) == b"you said Bear"


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert without_echoes(b"all 111 of them", ["1", "a b", "all"], truncated=True) == b"all 111 of them"


@given(st.binary(max_size=20), st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 40), st.booleans())
def test_no_value_is_left_wherever_it_stands(before: bytes, values: list[str], length: int, whole: bool) -> None:
    said = before + "".join(values).encode() + (b" and more" if whole else b"")
    shown = said if whole else said[: len(before) + length]

    kept = without_echoes(shown, values, truncated=not whole)

    for value in values:
        assert value.encode() not in kept.replace(b"***", b" ")
