"""What is kept encrypted."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import UndecryptableSecret
from app.store.vault import Vault

OLD, NEW = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (250, 251))
VAULT = Vault([OLD])


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    assert VAULT.open(VAULT.seal(text, "connector"), "connector") == text


def test_equal_texts_look_different() -> None:
    assert VAULT.seal("connector-1", "connector") != VAULT.seal("connector-1", "connector")


def test_a_new_first_key_seals_and_the_old_one_still_opens() -> None:
    before, rotated = VAULT.seal("kept", "connector"), Vault([NEW, OLD])

    after = rotated.seal("kept", "connector")

    assert rotated.open(before, "connector") == "kept"
    assert Vault([NEW]).open(after, "connector") == "kept"


def test_a_key_that_was_taken_away_opens_nothing() -> None:
    with pytest.raises(UndecryptableSecret, match="RINGBACK_ENCRYPTION_KEYS"):
        Vault([NEW]).open(VAULT.seal("kept", "connector"), "connector")


def test_a_key_without_its_padding_is_the_same_key() -> None:
    assert Vault([OLD.rstrip("=")]).open(VAULT.seal("kept", "connector"), "connector") == "kept"


def test_what_was_sealed_for_one_place_does_not_open_at_another() -> None:
    with pytest.raises(UndecryptableSecret):
        VAULT.open(VAULT.seal("kept", "connector ten_1"), "connector ten_2")


def test_nothing_that_was_altered_opens() -> None:
    sealed = VAULT.seal("kept", "connector")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(UndecryptableSecret):
            VAULT.open(bytes(altered), "connector")


def test_nothing_that_was_cut_short_opens() -> None:
    sealed = VAULT.seal("kept", "connector")
    for length in range(len(sealed)):
        with pytest.raises(UndecryptableSecret):
            VAULT.open(sealed[:length], "connector")


def test_what_is_under_another_key_is_sealed_anew_and_the_rest_stays_as_it_is() -> None:
    rotated = Vault([NEW, OLD])
    before = VAULT.seal("kept", "connector")

    after = rotated.reseal(before, "connector")

    assert Vault([NEW]).open(after, "connector") == "kept"
    assert rotated.reseal(after, "connector") is after


@pytest.mark.parametrize("vault", [VAULT, Vault([NEW, OLD]), Vault([NEW])])
def test_what_does_not_open_is_not_sealed_anew(vault: Vault) -> None:
    with pytest.raises(UndecryptableSecret):
        vault.reseal(VAULT.seal("kept", "connector ten_1"), "connector ten_2")
