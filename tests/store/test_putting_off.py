"""Claims that are given back until later, with or without a promise for then."""

import pytest

from app.domain.upstream_budget import Promise
from app.resources import Resources
from app.store.watches import PutOff
from tests.builders import LIFE
from tests.store.making import register
from tests.store.polling import claim_polls, poll


@pytest.mark.parametrize("promise", Promise)
async def test_what_is_put_off_is_claimed_with_what_was_promised(resources: Resources, promise: Promise) -> None:
    one = await register(resources)
    await poll(resources, one.partition, LIFE[:4])
    [claimed] = await claim_polls(resources, one.partition)
    until = round(claimed.due_at + 60, 3)

    await resources.watches.put_off(one.partition, [PutOff(claimed, until, promise)])

    assert not await claim_polls(resources, one.partition, horizon=30)
    [again] = await claim_polls(resources, one.partition)
    assert (again.promise, again.version) == (promise, claimed.version)
    assert again.due_at == pytest.approx(until, abs=0.001)
    assert again.polled_at == claimed.polled_at > 0


async def test_a_lease_promises_nothing(resources: Resources) -> None:
    one = await register(resources)
    [claimed] = await claim_polls(resources, one.partition)
    await resources.watches.put_off(one.partition, [PutOff(claimed, claimed.due_at + 60, Promise.MOMENT)])
    await claim_polls(resources, one.partition)

    [leased] = await claim_polls(resources, one.partition)

    assert leased.promise is Promise.NOTHING


async def test_a_call_that_is_over_does_not_come_back(resources: Resources) -> None:
    one = await register(resources)
    [claimed] = await claim_polls(resources, one.partition)
    await poll(resources, one.partition, LIFE)

    await resources.watches.put_off(one.partition, [PutOff(claimed, claimed.due_at)])

    assert not await claim_polls(resources, one.partition)
