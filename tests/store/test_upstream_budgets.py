"""A credential set's budget: however many workers reserve of it, no two moments are too close."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest

from app.domain.upstream_budget import CredentialSet, Urgency, Wish
from app.resources import Resources
from app.store.connection import Ledger
from app.store.upstream_budgets import BookedOut, Reservations, Reserved, Turn, UpstreamBudgets
from tests.peers import eventually

SET = CredentialSet("acc", "proj", "connector-that-nobody-may-see")
OTHER = CredentialSet("acc", "proj", "another")
# A reserved moment is written in whole microseconds.
BLUR = 2e-6


@pytest.fixture
async def second_ledger(redis_url: str) -> AsyncIterator[Ledger]:
    ledger = Ledger(redis_url)
    yield ledger
    await ledger.aclose()


def early(at: float, count: int = 1) -> list[Wish]:
    return [Wish(at, Urgency.EARLY, at)] * count


def patient(at: float, count: int = 1, patience: float = 20.0) -> list[Wish]:
    return [Wish(at, Urgency.PATIENT, at + patience)] * count


async def reserve(budgets: UpstreamBudgets, wishes: Sequence[Wish], within: float = 60.0) -> Reservations:
    return (await budgets.reserve({SET: wishes}, within))[SET]


def moments(reservations: Reservations) -> list[float]:
    return [one.at for one in reservations.answers if isinstance(one, Reserved)]


def turns(reservations: Reservations) -> list[float]:
    return [one.at for one in reservations.answers if isinstance(one, Turn)]


def assert_spaced(reserved: Sequence[float], per_second: float) -> None:
    ordered = sorted(reserved)
    gaps = [after - before for before, after in pairwise(ordered)]
    assert all(gap >= 1 / per_second - BLUR for gap in gaps), gaps


async def now_of(resources: Resources) -> float:
    await resources.ledger.ping()
    return resources.ledger.clock.now()


async def test_an_idle_budget_keeps_nobody_waiting(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 0.5), await now_of(resources)

    [at] = moments(await reserve(budgets, early(now + 1.234)))

    assert at == pytest.approx(now + 1.234, abs=BLUR)


async def test_who_wants_to_begin_sooner_is_not_behind_who_reserved_first(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)
    [later] = moments(await reserve(budgets, early(now + 30)))

    [sooner] = moments(await reserve(budgets, early(now + 20)))

    assert now + 20 - BLUR <= sooner <= now + 20.1 + BLUR
    assert_spaced([sooner, later], 10)


@pytest.mark.parametrize("per_second", [0.5, 3, 7.3, 300])
async def test_two_workers_share_it(resources: Resources, second_ledger: Ledger, per_second: float) -> None:
    now = await now_of(resources)
    workers = [UpstreamBudgets(ledger, per_second) for ledger in (resources.ledger, second_ledger)]

    answers = await asyncio.gather(
        *(reserve(workers[look % 2], early(now + look % 3, 4), within=1000) for look in range(10))
    )

    reserved = [at for answer in answers for at in moments(answer)]
    assert len(reserved) == 40
    assert_spaced(reserved, per_second)
    # And nothing of it is wasted: what is behind is full.
    assert max(reserved) - min(reserved) <= 2 + 41 / per_second


async def test_credential_sets_do_not_wait_for_each_other(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 1), await now_of(resources)
    await reserve(budgets, early(now + 5, 20))

    answers = await budgets.reserve({OTHER: early(now + 5)})

    assert moments(answers[OTHER]) == pytest.approx([now + 5], abs=BLUR)


async def test_calls_in_progress_wait_before_those_that_were_not_answered_yet(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)

    stretched = await reserve(budgets, patient(now, 100))
    prompt = moments(await reserve(budgets, early(now, 10)))

    assert_spaced([*moments(stretched), *prompt], 10)
    assert len(prompt) == 10
    assert max(prompt) < now + 4
    # The others come when their share of the budget comes round.
    assert len(turns(stretched)) > 75
    assert now + 9 < max(turns(stretched)) < now + 20
    assert (await reserve(budgets, [])).stretch > 5


async def test_one_whose_turn_has_come_begins_and_does_not_queue_again(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)
    before = await reserve(budgets, patient(now, 100))

    after = await reserve(budgets, [Wish(now + 5, Urgency.IN_TURN, now + 20)])

    assert moments(after) == pytest.approx([now + 5], abs=0.1)
    assert after.stretch <= before.stretch


async def test_it_waits_once_more_where_early_calls_fill_the_budget(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)
    await reserve(budgets, early(now, 100))

    [again, last] = (await reserve(budgets, [Wish(now + 1, Urgency.IN_TURN, now + late) for late in (20, 2)])).answers

    assert isinstance(again, Turn)
    assert again.at >= now + 3 - BLUR
    assert isinstance(last, Turn)
    assert last.at == pytest.approx(now + 2, abs=BLUR)


async def test_none_is_stretched_while_there_is_room(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 100), await now_of(resources)

    reserved = moments(await reserve(budgets, patient(now + 1, 50)))

    assert max(reserved) <= now + 1.5


async def test_the_longest_wait_of_a_call_in_progress_is_kept(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)

    told = turns(await reserve(budgets, patient(now, 80, patience=4.0)))

    assert max(told) == pytest.approx(now + 4, abs=BLUR)


async def test_what_early_calls_take_is_not_given_to_those_in_progress(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 10), await now_of(resources)
    await reserve(budgets, early(now, 20))
    beside_many = turns(await reserve(budgets, patient(now, 60)))

    alone = turns((await budgets.reserve({OTHER: patient(now, 60)}))[OTHER])

    assert beside_many[-1] > alone[-1] + 1


async def test_nothing_is_booked_further_ahead_than_asked_for(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 2), await now_of(resources)

    answers = (await reserve(budgets, early(now, 10), within=2.0)).answers

    assert [type(one) for one in answers] == [Reserved] * 5 + [BookedOut] * 5


async def test_how_short_it_is_is_told(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 2), await now_of(resources)
    assert (await reserve(budgets, [])).behind == 0

    told = await reserve(budgets, early(now, 10))

    assert 4 < told.behind <= 5


async def test_room_that_nobody_took_is_there_no_more(resources: Resources) -> None:
    """After a quiet time polls do not come in a heap."""
    budgets = UpstreamBudgets(resources.ledger, 200)
    now = await now_of(resources)
    [first] = moments(await reserve(budgets, early(now)))

    async def is_later() -> bool:
        return await now_of(resources) >= first + 0.1

    await eventually(is_later, "a tenth of a second")
    reserved = moments(await reserve(budgets, early(now, 20)))

    assert_spaced([first, *reserved], 200)
    assert min(reserved) >= first + 0.1


async def test_a_clock_that_was_set_back_closes_nothing(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 2), await now_of(resources)
    await reserve(budgets, early(now, 3))
    [name] = await resources.ledger.redis.keys("rb:{up:*")
    await resources.ledger.redis.hset(name, mapping={"o": (now + 3600) * 1e6, "t": (now + 3600) * 1e6})

    [at] = moments(await reserve(budgets, early(now)))

    assert at < now + 5


async def test_the_connector_is_in_no_name_and_what_is_kept_goes_by_itself(resources: Resources) -> None:
    budgets, now = UpstreamBudgets(resources.ledger, 2), await now_of(resources)
    await reserve(budgets, early(now, 10))

    [name] = await resources.ledger.redis.keys("*budget")

    assert SET.connector_id not in f"{name}{SET}{await resources.ledger.redis.hgetall(name)}"
    assert 60_000 < await resources.ledger.redis.pttl(name) <= 66_000
