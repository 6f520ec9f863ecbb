"""Ids lead to the place where a thing lives, and sort by its age."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.ids import (
    CHANCE_BYTES,
    decode,
    delivery_id,
    delivery_parts,
    encode,
    made_at,
    partition_of,
    plain_id,
    subscription_id,
)
from app.settings import MAX_PARTITIONS
from tests.builders import START
from tests.domain.strategies import RULE

partitions = st.integers(0, MAX_PARTITIONS - 1)
moments = st.floats(0, 2e10)
chances = st.binary(min_size=CHANCE_BYTES, max_size=CHANCE_BYTES)
sequences = st.integers(0, 32**7 - 1)


@RULE
@given(st.integers(0, 32**12))
def test_a_number_reads_back(number: int) -> None:
    assert decode(encode(number, 4)) == number


@RULE
@given(partitions, moments, chances)
def test_a_subscriptions_id_tells_when_it_was_made(partition: int, now: float, chance: bytes) -> None:
    assert made_at(subscription_id(partition, now, chance)) == int(now * 1000) / 1000


@RULE
@given(st.integers(0, 32**6 - 1), st.integers(0, 32**6 - 1))
def test_numbers_of_one_length_sort_as_texts(one: int, other: int) -> None:
    assert (encode(one, 6) < encode(other, 6)) == (one < other)


@RULE
@given(partitions, moments, chances)
def test_a_subscriptions_id_leads_to_its_partition(partition: int, now: float, chance: bytes) -> None:
    name = subscription_id(partition, now, chance)
    assert len(name) == len("sub_") + 22
    assert partition_of(name) == partition


@RULE
@given(partitions, moments, st.integers(1, 10**9), chances, chances)
def test_ids_of_one_kind_sort_by_age(partition: int, now: float, later_ms: int, chance: bytes, other: bytes) -> None:
    later = now + later_ms / 1000 + 0.001
    assert subscription_id(partition, now, chance) < subscription_id(partition, later, other)
    assert plain_id("ten_", now, chance) < plain_id("ten_", later, other)


def test_ids_of_one_instant_differ_by_chance() -> None:
    chances_of_one_bit = [(1 << bit).to_bytes(CHANCE_BYTES) for bit in range(55)]
    assert len({subscription_id(3, START, chance) for chance in chances_of_one_bit}) == 55
    assert len({plain_id("key_", START, chance) for chance in chances_of_one_bit}) == 55


@RULE
@given(partitions, moments, chances, sequences)
def test_a_deliverys_id_leads_to_its_subscription_and_event(
    partition: int, now: float, chance: bytes, sequence: int
) -> None:
    subscription = subscription_id(partition, now, chance)
    assert delivery_parts(delivery_id(subscription, sequence)) == (subscription, sequence)


WRITTEN = subscription_id(7, START, b"\x01" * CHANCE_BYTES)


def test_what_an_id_looks_like_never_changes() -> None:
    assert WRITTEN == "sub_071hs0rvq80081040g2081"
    assert delivery_id(WRITTEN, 5) == "dlv_071hs0rvq80081040g20810005"


@RULE
@given(st.from_regex(r"dlv_[0-9a-hjkmnp-tv-z]{22}0{0,3}[0-9a-hjkmnp-tv-z]{0,8}", fullmatch=True))
@example(f"dlv_{WRITTEN[4:]}0005")
@example(f"dlv_{WRITTEN[4:]}00005")
def test_a_delivery_has_one_id(name: str) -> None:
    """What reads as a delivery is written the same way again: no two addresses for one thing."""
    parts = delivery_parts(name)
    assert parts is None or delivery_id(*parts) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sub_",
        WRITTEN[:-1],
        WRITTEN + "0",
        WRITTEN + "\n",
        WRITTEN.upper(),
        WRITTEN.replace("sub_", "dlv_"),
        WRITTEN[:-1] + "u",  # Crockford's alphabet leaves out i, l, o and u
        WRITTEN[:-1] + "٣",
        WRITTEN[:-1] + "}",
        "sub_" + "{07}:due" + "0" * 14,
    ],
)
def test_what_is_no_id_leads_nowhere(name: str) -> None:
    """Keys of the store are made of ids that callers send: nothing else may come through."""
    assert partition_of(name) is None
    assert delivery_parts(name) is None or name.startswith("dlv_")
    assert delivery_parts(name.replace("sub_", "dlv_") + "!") is None
