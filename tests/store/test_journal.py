"""The journals, read along: in one order, nothing told too early, and nothing lost unsaid."""

import pytest

from app.resources import Resources
from app.store.journal import BEGINNING, JournalReader, Look
from app.store.keys import all_partitions
from tests.builders import LIFE, make_key
from tests.store.making import register
from tests.store.polling import poll

PARTITIONS = 4


async def _happen(resources: Resources, sids: list[str], until: int) -> None:
    """Have each call, in turn, go so far."""
    for sid in sids:
        await poll(resources, resources.subscriptions.partition_of_call(sid), LIFE[:until])


async def _all(reader: JournalReader) -> Look:
    """Look until there is no more at once."""
    look = await reader.look()
    entries, missed = list(look.entries), look.missed
    while look.more:
        look = await reader.look()
        entries += look.entries
        missed |= look.missed
    return Look(tuple(entries), missed, more=False)


@pytest.fixture
async def sids(resources: Resources) -> list[str]:
    """A call of each partition."""
    some = {resources.subscriptions.partition_of_call(sid).number: sid for sid in map("OUT-{}".format, range(40))}
    assert len(some) == PARTITIONS
    for sid in some.values():
        await register(resources, call_sid=sid)
    return list(some.values())


async def test_entries_come_once_and_in_one_order(resources: Resources, sids: list[str]) -> None:
    reader, other = JournalReader(resources.ledger, PARTITIONS), JournalReader(resources.ledger, PARTITIONS)
    assert await reader.begin() == ((), BEGINNING)
    await _happen(resources, sids, 2)
    told = await _all(reader)
    before, complete_since = await other.begin()
    entries = list(before) + list((await _all(other)).entries)

    orders = [one.order for one in told.entries]
    assert sorted(orders) == orders == [one.order for one in entries]
    assert {one.place.watch_id for one in entries} == {make_key(call_sid=sid).watch_id for sid in sids}
    assert [(one.first, len(one.event_ids)) for one in entries] == [(1, 2)] * len(sids)
    assert complete_since == BEGINNING
    assert (await _all(reader)).entries == ()


async def test_what_an_entry_leads_to(resources: Resources, sids: list[str]) -> None:
    reader = JournalReader(resources.ledger, PARTITIONS)
    await reader.begin()
    await _happen(resources, sids[:1], 2)
    await _happen(resources, sids[:1], 3)
    entries = (await _all(reader)).entries
    recorded = await reader.events_of(entries)
    assert [[event.name for event in one.events] for one in recorded if one] == [["created", "queued"], ["ringing"]]
    [first, second] = await reader.tenants_of(entries)
    assert first == second
    assert len(first) == 1


async def test_an_entry_that_is_trimmed_away_is_missed_and_the_rest_is_told(
    resources: Resources, sids: list[str]
) -> None:
    reader = JournalReader(resources.ledger, PARTITIONS)
    await reader.begin()
    await _happen(resources, sids[:1], 1)
    assert len((await _all(reader)).entries) == 1
    partition = resources.subscriptions.partition_of_call(sids[0])
    await _happen(resources, sids[:1], 2)
    await resources.ledger.redis.xtrim(partition.journal, maxlen=1, approximate=False)
    look = await _all(reader)
    assert look.missed
    assert [one.first for one in look.entries] == [2]


async def test_a_ledger_that_begins_anew_is_noticed_and_followed(resources: Resources, sids: list[str]) -> None:
    reader = JournalReader(resources.ledger, PARTITIONS)
    await reader.begin()
    await _happen(resources, sids, 1)
    await _all(reader)
    for partition in all_partitions(PARTITIONS):
        await resources.ledger.redis.delete(partition.journal)
    assert (await _all(reader)).missed
    await _happen(resources, sids, 2)
    look = await _all(reader)
    assert not look.missed
    assert len(look.entries) == len(sids)


async def test_what_cannot_be_read_harms_no_other(resources: Resources, sids: list[str]) -> None:
    reader = JournalReader(resources.ledger, PARTITIONS)
    await reader.begin()
    partition = resources.subscriptions.partition_of_call(sids[0])
    await resources.ledger.redis.xadd(partition.journal, {"x": "y"})
    await resources.ledger.redis.xadd(partition.journal, {"w": "w" * 24, "s": "1", "i": "evt_1"})
    await _happen(resources, sids[:1], 1)
    entries = (await _all(reader)).entries
    assert [one.event_ids == ("evt_1",) for one in entries] == [True, False]
    assert [recorded is None for recorded in await reader.events_of(entries)] == [True, False]


async def test_what_is_of_this_very_moment_is_told_later(resources: Resources, sids: list[str]) -> None:
    reader = JournalReader(resources.ledger, PARTITIONS)
    await reader.begin()
    partition = resources.subscriptions.partition_of_call(sids[0])
    # From a clock that is ahead, as of another master.
    ahead = await resources.ledger.ping() + 300
    await resources.ledger.redis.xadd(partition.journal, {"w": "w" * 24, "s": "1", "i": "evt_1"}, id=f"{ahead}-0")
    first = await reader.look()
    assert (first.entries, first.more) == ((), True)
    assert [one.order.ms for one in (await _all(reader)).entries] == [ahead]


async def test_a_record_is_made_by_whoever_may_not_write_the_journal(resources: Resources, sids: list[str]) -> None:
    partition = resources.subscriptions.partition_of_call(sids[0])
    # In place of a user without the right: the command fails within the script in the same way.
    await resources.ledger.redis.set(partition.journal, "no stream")
    await _happen(resources, sids[:1], 2)
    kept = await resources.watches.read(partition, make_key(call_sid=sids[0]).watch_id)
    assert kept
    assert len(kept.events) == 2
