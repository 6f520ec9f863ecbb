"""Ids of one process sort as they were made."""

import itertools

from app.domain.ids import CHANCE_BYTES, subscription_id
from app.store.chances import AscendingChances


def test_ids_of_one_millisecond_ascend_through_several_draws() -> None:
    chances = AscendingChances()
    drawn = [one for count in (1, 1000, 1, 5) for one in chances.draw(1_700_000_000_000, count)]
    made = [subscription_id(7, 1_700_000_000.0, one) for one in drawn]
    assert made == sorted(set(made))
    assert {len(one) for one in drawn} == {CHANCE_BYTES}


def test_the_next_cannot_be_told_from_the_one_before() -> None:
    drawn = [int.from_bytes(one) for one in AscendingChances().draw(1_700_000_000_000, 200)]
    steps = {following - one for one, following in itertools.pairwise(drawn)}
    assert len(steps) > 190


def test_each_millisecond_begins_anew() -> None:
    chances = AscendingChances()
    firsts = {chances.draw(now_ms, 1)[0] for now_ms in range(200)}
    assert len(firsts) == 200
