"""Registrations with a default for everything, and what a worker does with what they lead to."""

from collections.abc import Mapping, Sequence

from app.domain.subscription import event_filter
from app.resources import Resources
from app.store.deliveries import ClaimedOutbox, LoggedAttempt, SettledAs, Settlement
from app.store.keys import Partition
from app.store.registrations import Registration
from app.store.subscriptions import NewSubscription, Subscription
from app.store.watches import Recorded
from tests.builders import ACCOUNT, CALL_SID, CONNECTOR, LIFE, PROJECT, make_key
from tests.store.polling import EVERYTHING, LEASE, poll

TENANT = "ten_1m842cp907q3yc2f95cq"
URL = "https://crm.example.com/hooks"


async def register(
    resources: Resources,
    *,
    call_sid: str = CALL_SID,
    account_id: str = ACCOUNT,
    project_id: str = PROJECT,
    connector_id: str = CONNECTOR,
    tenant_id: str = TENANT,
    url: str = URL,
    events: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
    secret: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Registration:
    key = make_key(account_id=account_id, project_id=project_id, connector_id=connector_id, call_sid=call_sid)
    wanted = NewSubscription(tenant_id, key, url, event_filter(list(events)), metadata or {}, secret, headers or {})
    return await resources.registrations.register(wanted)


async def read(resources: Resources, subscription_id: str) -> Subscription:
    found = await resources.subscriptions.get(subscription_id)
    assert found is not None
    return found


async def claim(
    resources: Resources,
    partition: Partition,
    *,
    horizon: float = 0.0,
    lease: float = LEASE,
    limit: int = 100,
    events_each: int = 10,
) -> list[ClaimedOutbox]:
    """Claim what is to be delivered now, or within a horizon in seconds."""
    return await resources.deliveries.claim(
        partition, horizon_seconds=horizon, lease_seconds=lease, limit=limit, events_each=events_each
    )


async def claim_one(resources: Resources, partition: Partition, *, events_each: int = 10) -> ClaimedOutbox:
    """Claim the one place that has something to deliver, be it leased or waiting for its next attempt."""
    [claimed] = await claim(resources, partition, horizon=EVERYTHING, events_each=events_each)
    return claimed


def attempt(claimed: ClaimedOutbox, *, status_code: int = 200) -> LoggedAttempt:
    """Return the record of an attempt to deliver the first of the claimed events."""
    return LoggedAttempt(claimed.events[0].sequence, claimed.due_at, status_code, "", 12, b"", "delivered")


def delivered(claimed: ClaimedOutbox, *, lease: float = 0.0, events: int = 1) -> Settlement:
    """Settle the first of the claimed events, or several, as done."""
    first = claimed.events[0].sequence
    after = claimed.cursor if claimed.own_lane else first + events - 1
    return Settlement(
        claimed.member,
        first,
        claimed.cursor,
        claimed.failures,
        "done",
        attempt(claimed),
        cursor_after=after,
        lease_seconds=lease,
    )


def failed(claimed: ClaimedOutbox, *, retry_at: float) -> Settlement:
    """Settle the first of the claimed events as to be tried again, where it is."""
    return put_off(claimed, "retry", retry_at=retry_at)


def put_off(claimed: ClaimedOutbox, verdict: SettledAs, *, retry_at: float, lease: float = 0.0) -> Settlement:
    """Settle the first of the claimed events with any verdict that leaves it where it is."""
    first = claimed.events[0].sequence
    logged = attempt(claimed, status_code=500)
    return Settlement(
        claimed.member,
        first,
        claimed.cursor,
        claimed.failures,
        verdict,
        logged,
        retry_at=retry_at,
        lease_seconds=lease,
    )


def given_up(claimed: ClaimedOutbox) -> Settlement:
    """Settle the first of the claimed events as failed for good."""
    first = claimed.events[0].sequence
    after = claimed.cursor if claimed.own_lane else first
    logged = attempt(claimed, status_code=500)
    return Settlement(
        claimed.member, first, claimed.cursor, claimed.failures, "fail", logged, retry_at=logged.at, cursor_after=after
    )


def passed(claimed: ClaimedOutbox, *, retry_at: float, lease: float = 0.0) -> Settlement:
    """Settle the second of the claimed events as delivered where the first was not."""
    head, behind = (pending.sequence for pending in claimed.events[:2])
    return Settlement(
        claimed.member,
        behind,
        claimed.cursor,
        claimed.failures,
        "pass",
        attempt(claimed),
        retry_at=retry_at,
        cursor_after=behind,
        passed=head,
        lease_seconds=lease,
    )


async def settle(resources: Resources, partition: Partition, *settlements: Settlement) -> list[Recorded]:
    return await resources.deliveries.settle(partition, settlements)


async def subscribed(resources: Resources, polled: int = 5) -> Registration:
    """Subscribe to a call of which so many transitions have been polled."""
    one = await register(resources, metadata={"deal": "4711"})
    await poll(resources, one.partition, LIFE[:polled])
    return one
