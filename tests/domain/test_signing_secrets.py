"""Which secrets sign at a moment, and what a rotation leaves."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.signing import secret_from_bytes, secret_key
from app.domain.signing_secrets import (
    MAX_OVERLAP_SECONDS,
    MOST_SECRETS,
    SigningSecret,
    TooManySecrets,
    rotated,
    signing_at,
    signing_keys,
)

START = 1_700_000_000.0
# Seconds since the rotation before, and the overlap.
ROTATIONS = st.lists(
    st.tuples(st.floats(0, 2 * MAX_OVERLAP_SECONDS), st.floats(0, MAX_OVERLAP_SECONDS)), min_size=1, max_size=30
)


def make_secret(number: int = 0, created_at: float = START) -> SigningSecret:
    return SigningSecret(f"sec_{number}", secret_from_bytes(bytes([number]) * 32), created_at)


def ids(secrets: tuple[SigningSecret, ...]) -> list[str]:
    return [one.id for one in secrets]


def test_the_first_one_signs_for_ever() -> None:
    assert ids(signing_at((make_secret(),), START + 10**9)) == ["sec_0"]


def test_the_old_one_signs_beside_the_new_one_until_the_overlap_is_over() -> None:
    secrets = rotated((make_secret(0),), make_secret(1, START + 100), 60)

    assert signing_keys(secrets, START + 100) == (bytes([1]) * 32, bytes([0]) * 32)
    assert ids(signing_at(secrets, START + 159.999)) == ["sec_1", "sec_0"]
    assert ids(signing_at(secrets, START + 160)) == ["sec_1"]


def test_without_an_overlap_only_the_new_one_is_left() -> None:
    several = rotated((make_secret(0),), make_secret(1), 1000)
    assert ids(rotated(several, make_secret(2, START + 1), 0)) == ["sec_2"]


def test_what_has_expired_goes_with_the_next_rotation() -> None:
    secrets = rotated((make_secret(0),), make_secret(1), 10)
    assert ids(rotated(secrets, make_secret(2, START + 10), 100)) == ["sec_2", "sec_1"]


def test_a_second_rotation_prolongs_nothing_and_ends_all_with_its_overlap() -> None:
    secrets = rotated((make_secret(0),), make_secret(1), 100)

    longer = rotated(secrets, make_secret(2, START + 10), 1000)
    shorter = rotated(secrets, make_secret(2, START + 10), 20)

    assert [one.expires_at for one in longer] == [None, START + 1010, START + 100]
    assert [one.expires_at for one in shorter] == [None, START + 30, START + 30]


def test_more_than_five_at_once_are_refused_unless_all_others_end() -> None:
    secrets: tuple[SigningSecret, ...] = (make_secret(0),)
    for number in range(1, MOST_SECRETS):
        secrets = rotated(secrets, make_secret(number), 100)

    with pytest.raises(TooManySecrets, match="5 secrets"):
        rotated(secrets, make_secret(9, START + 1), 1)
    assert ids(rotated(secrets, make_secret(9, START + 1), 0)) == ["sec_9"]
    assert ids(rotated(secrets, make_secret(9, START + 100), 1)) == ["sec_9", "sec_4"]


@given(ROTATIONS)
def test_whatever_is_rotated_a_receiver_that_keeps_each_until_it_expires_holds_one_that_signs(
    rotations: list[tuple[float, float]],
) -> None:
    now = START
    secrets: tuple[SigningSecret, ...] = (make_secret(0),)
    for number, (seconds, overlap) in enumerate(rotations, 1):
        now += seconds
        before = signing_at(secrets, now)
        try:
            secrets = rotated(secrets, make_secret(number, now), overlap)
        except TooManySecrets:
            assert len(before) == MOST_SECRETS
            continue

        assert 1 <= len(secrets) <= MOST_SECRETS
        assert [one.expires_at for one in secrets].count(None) == 1
        assert secrets[0].id == f"sec_{number}"
        assert secrets[0].expires_at is None
        # Until the overlap is over, whoever holds the newest of before verifies what is signed now.
        if overlap > 1:
            assert before[0].id in ids(signing_at(secrets, now + overlap - 1))
        assert ids(signing_at(secrets, now + overlap)) == [f"sec_{number}"]
        # Nobody's time was prolonged.
        ends = {one.id: one.expires_at for one in before}
        for one in secrets[1:]:
            assert one.expires_at is not None
            assert one.expires_at <= (ends[one.id] or float("inf"))


def test_what_is_shown_of_a_secret_is_its_end_and_nothing_else() -> None:
    key = bytes(range(32))
    secret = SigningSecret("sec_1", secret_from_bytes(key), START)

    assert secret.hint == base64.b64encode(key).decode().rstrip("=")[-4:]
    assert secret.secret not in repr(secret)
    assert secret_key(secret.secret) == key
