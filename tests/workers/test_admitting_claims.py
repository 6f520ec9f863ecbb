"""Which claims may be polled while the upstream fails for everybody."""

from dataclasses import replace

import pytest

from app.domain.cadence import Failed, NotFound, Pace
from app.domain.upstream_budget import Promise
from app.domain.upstream_health import FAILURES_IN_A_ROW
from app.domain.watch import Trouble
from app.resources import Resources
from app.store.upstream_budgets import UpstreamBudgets
from app.store.watches import ClaimedPoll
from tests.builders import make_key
from tests.workers.ledger import Desk
from workers.politeness import Politeness

PACE = Pace()


def make_politeness(resources: Resources, per_second: float = 0.0) -> Politeness:
    return Politeness(
        watches=resources.watches,
        clock=resources.ledger.clock,
        pace=PACE,
        timeout_seconds=1.0,
        budgets=UpstreamBudgets(resources.ledger, per_second) if per_second else None,
    )


@pytest.fixture
async def claim(desk: Desk) -> ClaimedPoll:
    await desk.subscribe("https://crm.example.com/hook")
    return await desk.claim_poll()


def fail_for_all(politeness: Politeness, claim: ClaimedPoll) -> None:
    for number in range(FAILURES_IN_A_ROW):
        politeness.report(replace(claim, watch_id=f"{number}"), Failed("http_500"))


async def appoint_probe(politeness: Politeness, desk: Desk, claim: ClaimedPoll) -> ClaimedPoll:
    [probe] = await politeness.admit(desk.partition, [replace(claim, watch_id="probe")])
    return probe


async def test_others_than_the_probe_are_put_off_without_a_failure(
    resources: Resources, desk: Desk, claim: ClaimedPoll
) -> None:
    politeness = make_politeness(resources)
    fail_for_all(politeness, claim)
    probe = await appoint_probe(politeness, desk, claim)

    assert not await politeness.admit(desk.partition, [claim])

    kept = await desk.kept()
    assert kept.next_poll_at > claim.due_at
    assert (kept.watch.trouble.failures, kept.polls) == (0, 0)
    assert politeness.may_begin(probe)
    assert not politeness.may_begin(claim)


async def test_one_that_was_admitted_before_is_put_off_all_the_same(
    resources: Resources, desk: Desk, claim: ClaimedPoll
) -> None:
    politeness = make_politeness(resources)
    [admitted] = await politeness.admit(desk.partition, [claim])
    fail_for_all(politeness, claim)
    await appoint_probe(politeness, desk, claim)

    until = await politeness.put_off(desk.partition, admitted)

    assert (await desk.kept()).next_poll_at == pytest.approx(until, abs=0.001)


async def test_if_that_one_becomes_the_probe_it_is_let_through_when_it_comes_back(
    resources: Resources, desk: Desk, claim: ClaimedPoll
) -> None:
    politeness = make_politeness(resources)
    fail_for_all(politeness, claim)
    await politeness.put_off(desk.partition, claim)

    again = await desk.claim_poll()

    assert [one.watch_id for one in await politeness.admit(desk.partition, [again])] == [claim.watch_id]


@pytest.mark.parametrize("why", ["denied", "at its deadline"])
async def test_a_call_whose_patience_is_being_counted_goes_its_own_way(
    resources: Resources, desk: Desk, claim: ClaimedPoll, why: str
) -> None:
    politeness = make_politeness(resources)
    fail_for_all(politeness, claim)
    await appoint_probe(politeness, desk, claim)
    if why == "denied":
        watch = replace(claim.watch, trouble=Trouble(denied_since=claim.due_at - 1))
    else:
        watch = replace(claim.watch, registered_at=claim.due_at - PACE.watch_max)
    own_way = replace(claim, watch=watch)

    assert await politeness.admit(desk.partition, [own_way]) == [own_way]
    assert politeness.may_begin(own_way)


async def test_a_good_answer_lets_them_in_again(resources: Resources, desk: Desk, claim: ClaimedPoll) -> None:
    politeness = make_politeness(resources)
    fail_for_all(politeness, claim)
    probe = await appoint_probe(politeness, desk, claim)

    politeness.report(probe, NotFound())

    assert [one.watch_id for one in await politeness.admit(desk.partition, [claim])] == [claim.watch_id]
    assert politeness.may_begin(claim)


async def test_what_finds_no_near_moment_comes_back_at_the_one_that_it_has_reserved(
    resources: Resources, desk: Desk, claim: ClaimedPoll
) -> None:
    politeness = make_politeness(resources, per_second=0.1)
    other = replace(claim, watch=replace(claim.watch, key=make_key(call_sid="OUT-other")))
    [first] = await politeness.admit(desk.partition, [other])

    assert not await politeness.admit(desk.partition, [claim])

    again = await desk.claim_poll()
    assert again.promise is Promise.MOMENT
    assert again.due_at == pytest.approx(first.due_at + 10, abs=0.01)
    # It has its moment, and takes no other.
    assert await politeness.admit(desk.partition, [again]) == [again]


async def test_a_reserved_moment_that_was_missed_is_reserved_anew(
    resources: Resources, desk: Desk, claim: ClaimedPoll
) -> None:
    politeness = make_politeness(resources, per_second=0.1)
    await politeness.admit(desk.partition, [claim])
    missed = replace(claim, due_at=claim.due_at - 1, promise=Promise.MOMENT)

    assert not await politeness.admit(desk.partition, [missed])


async def test_credential_sets_are_bounded_by_themselves(resources: Resources, desk: Desk, claim: ClaimedPoll) -> None:
    politeness = make_politeness(resources, per_second=0.1)
    key = make_key(call_sid="OUT-other", connector_id="another")
    other = replace(claim, watch=replace(claim.watch, key=key))

    assert len(await politeness.admit(desk.partition, [claim, other])) == 2
