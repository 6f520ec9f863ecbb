"""Changing a subscription: read, changed and written back, unless somebody else has changed it meanwhile."""

from enum import IntEnum

from app.domain.subscription import SubscriptionStatus, registration_digest
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition
from app.store.subscription_records import (
    BODY,
    Subscription,
    SubscriptionChange,
    body_of,
    changed_body,
    filter_text,
    url_and_events,
)

# Of changes that meet, one is made each time; so many meet only if somebody means it.
_TRIES = 30


class Changed(IntEnum):
    """What became of a change: the numbers are the script's."""

    NOT_THERE = 0
    ENDED_BEFORE = 1
    URL_TAKEN = 2
    STALE = 3
    DONE = 4
    DONE_WITH_MORE = 5


async def change_subscription(
    ledger: Ledger, partition: Partition, subscription: Subscription, change: SubscriptionChange
) -> Changed:
    """Make a change; of those that meet, each is made on top of the others. See change_subscription.lua.

    `Changed.STALE` is what remains when others were faster again and again.
    """
    for _ in range(_TRIES):
        changed = await _try(ledger, partition, subscription, change)
        if changed is not Changed.STALE:
            return changed
    return Changed.STALE


async def _try(ledger: Ledger, partition: Partition, subscription: Subscription, change: SubscriptionChange) -> Changed:
    kept, call = partition.subscription(subscription.id), partition.watch(subscription.watch_id)
    async with translated_errors():
        pipe = ledger.redis.pipeline(transaction=False)
        pipe.hmget(kept, *BODY)
        pipe.hget(call, "e")
        pieces, written = await pipe.execute()
    body, events_written = body_of(pieces), int(written or 0)
    if not body:
        return Changed.NOT_THERE
    new_body = changed_body(body, change, events_written)
    url, events = url_and_events(new_body)
    names = [partition.outbox, kept, call, partition.registrations(subscription.watch_id)]
    arguments = [
        partition.prefix,
        subscription.id,
        body,
        new_body,
        events_written,
        registration_digest(subscription.tenant_id, url),
        filter_text(events),
        _status(change.paused),
    ]
    return Changed(await ledger.run("change_subscription", names, arguments))


def _status(paused: bool | None) -> str:
    match paused:
        case None:
            return ""
        case True:
            return SubscriptionStatus.PAUSED.value
        case False:
            return SubscriptionStatus.ACTIVE.value
