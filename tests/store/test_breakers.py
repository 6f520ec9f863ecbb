"""Breakers in the ledger: what one worker finds out holds for all."""

import asyncio

import pytest

from app.domain.breaker import FAILURES_TO_OPEN, Admitted, Refused
from app.resources import Resources
from app.store import keys
from app.store.breakers import BreakerStore, digest_of

DESTINATION = "https://crm.example.com:443"
LONG, SHORT = 50.0, 0.02


@pytest.fixture
def breakers(resources: Resources) -> BreakerStore:
    return BreakerStore(resources.ledger, (LONG, 2 * LONG), timeout_seconds=15.0)


@pytest.fixture
def brief(resources: Resources) -> BreakerStore:
    """Breakers that are open for an instant the first time, and for long afterwards."""
    return BreakerStore(resources.ledger, (SHORT, LONG), timeout_seconds=15.0)


async def fail(breakers: BreakerStore, times: int = FAILURES_TO_OPEN) -> list[bool]:
    return [await breakers.failed(DESTINATION, "timeout", probe=False) for _ in range(times)]


async def when_half_open(breakers: BreakerStore) -> Admitted:
    for _ in range(1000):
        if isinstance(admission := await breakers.admit(DESTINATION), Admitted):
            return admission
    raise AssertionError("still open")


async def test_nothing_is_held_against_an_unknown_destination(breakers: BreakerStore) -> None:
    assert await breakers.admit(DESTINATION) is None
    assert await breakers.troubled_since(0.0) == []


async def test_it_opens_after_some_failures_in_a_row(breakers: BreakerStore, resources: Resources) -> None:
    assert await fail(breakers, FAILURES_TO_OPEN - 1) == [False] * (FAILURES_TO_OPEN - 1)
    assert await breakers.admit(DESTINATION) == Admitted()

    assert await fail(breakers, 1) == [True]

    refused = await breakers.admit(DESTINATION)
    assert isinstance(refused, Refused)
    # The scripts tell milliseconds, and on a cluster our clock goes by the slowest node's.
    now = resources.ledger.clock.now() + 0.01
    assert now + LONG - 5 < refused.until <= now + LONG
    assert now - 5 < refused.down_since <= now


async def test_a_success_begins_the_count_anew(breakers: BreakerStore) -> None:
    await fail(breakers, FAILURES_TO_OPEN - 1)
    assert not await breakers.succeeded(DESTINATION)
    assert not any(await fail(breakers, FAILURES_TO_OPEN - 1))


async def test_failures_that_were_under_way_when_it_opened_change_nothing(breakers: BreakerStore) -> None:
    await fail(breakers)
    before = await breakers.admit(DESTINATION)
    assert not any(await fail(breakers, 40))
    assert await breakers.admit(DESTINATION) == before


async def test_one_probe_is_let_through_and_the_others_ask_again(brief: BreakerStore, resources: Resources) -> None:
    await fail(brief)

    assert await when_half_open(brief) == Admitted(probe=True)

    asked_at = resources.ledger.clock.now()
    others = await asyncio.gather(*(brief.admit(DESTINATION) for _ in range(10)))
    answered_at = resources.ledger.clock.now()
    assert all(isinstance(other, Refused) and asked_at < other.until < answered_at + 2 for other in others)


async def test_a_probe_that_fails_opens_it_for_longer(brief: BreakerStore, resources: Resources) -> None:
    await fail(brief)
    await when_half_open(brief)

    assert await brief.failed(DESTINATION, "500", probe=True)

    refused = await brief.admit(DESTINATION)
    assert isinstance(refused, Refused)
    assert refused.until > resources.ledger.clock.now() + LONG / 2


async def test_a_probe_that_succeeds_closes_it_and_leaves_nothing(brief: BreakerStore, resources: Resources) -> None:
    await fail(brief)
    await when_half_open(brief)

    assert await brief.succeeded(DESTINATION)

    assert await brief.admit(DESTINATION) is None
    assert not await resources.ledger.redis.exists(keys.breaker(digest_of(DESTINATION)), keys.TROUBLED)


async def test_a_probe_that_nobody_tells_of_is_followed_by_another(resources: Resources) -> None:
    lost = BreakerStore(resources.ledger, (SHORT,), timeout_seconds=SHORT - 5.0)
    await fail(lost)
    await when_half_open(lost)

    assert await when_half_open(lost) == Admitted(probe=True)


async def test_somebody_who_asks_by_hand_gets_a_probe(breakers: BreakerStore) -> None:
    assert not await breakers.hasten(DESTINATION)
    await fail(breakers)

    assert await breakers.hasten(DESTINATION)

    assert await breakers.admit(DESTINATION) == Admitted(probe=True)


async def test_the_other_workers_learn_of_it(breakers: BreakerStore, resources: Resources) -> None:
    before = resources.ledger.clock.now()
    await fail(breakers, 1)
    assert await breakers.troubled_since(before - 1) == [digest_of(DESTINATION)]
    assert await breakers.troubled_since(before + 60) == []


async def test_destinations_do_not_share_a_breaker(breakers: BreakerStore) -> None:
    await fail(breakers)
    assert await breakers.admit("https://crm.example.com:8443") is None


async def test_what_is_kept_has_a_lifetime(breakers: BreakerStore, resources: Resources) -> None:
    names = (keys.breaker(digest_of(DESTINATION)), keys.TROUBLED)
    await fail(breakers, 1)
    assert all([await resources.ledger.redis.pttl(name) > 0 for name in names])
    closed = await resources.ledger.redis.pttl(names[0])
    await fail(breakers)
    assert await resources.ledger.redis.pttl(names[0]) > closed
