"""Use cases of deliveries: read, listed, and sent again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import ids
from app.domain.breaker import breaker_name, destination_of
from app.domain.delivery import Ended, OwnLanes, Rewind, count_wanted, first_since, plan_retry
from app.domain.subscription import check_call_sid
from app.service.bell import Bell
from app.service.errors import Conflict, InvalidField, NoSuch, named
from app.store.breakers import BreakerStore
from app.store.delivery_pages import DeliveryFilter, DeliveryPage, DeliveryPages
from app.store.delivery_records import Delivery, Queue, QueueStore
from app.store.keys import Partition
from app.store.redelivery import Redelivered, RedeliveryStore, Replay, Retry
from app.store.tenants import Tenant

# How many failed deliveries one request sends again, about: those of the last subscription come all together.
MOST_RETRIED = 10_000
# So many queues are read at a time, each with its events and its log.
_PLANNED_AT_ONCE = 200
# Failed deliveries of one subscription that cannot go out in its queue are begun one after the other, so far apart.
_STEP_SECONDS = 1.0
_ENDED = "The subscription was cancelled or disabled: nothing is sent to its receiver any more."
_NO_DELIVERY = "There is no such delivery."
_NO_SUBSCRIPTION = "There is no such subscription."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetriedFailed:
    """How many failed deliveries are sent again, and from what time of failure on others may be left, if any."""

    queued: int
    next_since: float | None


@dataclass(frozen=True, slots=True)
class _Plan:
    queue: Queue
    failed: frozenset[int]
    way: Rewind | OwnLanes

    def retries(self) -> list[Retry]:
        """Return what is to be done when each goes on its own."""
        return [
            Retry(self.queue.subscription_id, sequence, wait_seconds=place * _STEP_SECONDS)
            for place, sequence in enumerate(sorted(self.failed))
        ]


class DeliveryService:
    """What a tenant can learn of its deliveries, and do about them."""

    def __init__(
        self,
        *,
        queues: QueueStore,
        pages: DeliveryPages,
        redelivery: RedeliveryStore,
        breakers: BreakerStore,
        deliver_bell: Bell,
    ) -> None:
        self._queues = queues
        self._pages = pages
        self._redelivery = redelivery
        self._breakers = breakers
        self._deliver_bell = deliver_bell

    async def get(self, tenant: Tenant, delivery_id: str) -> Delivery:
        """Return one of the tenant's deliveries, or raise `NoSuch`."""
        return (await self._find(tenant, delivery_id))[1]

    async def page(self, tenant: Tenant, only: DeliveryFilter, *, limit: int, place: str) -> DeliveryPage:
        """Return a page of the tenant's deliveries; see `DeliveryPages.page`."""
        if only.call_sid is not None:
            named("call_sid", check_call_sid, only.call_sid)
        if only.subscription_id is not None and ids.partition_of(only.subscription_id) is None:
            raise InvalidField("subscription_id", "This is no subscription's id.")
        return await self._pages.page(tenant.id, only, limit=limit, place=place)

    async def retry(self, tenant: Tenant, delivery_id: str) -> Delivery:
        """Try one delivery again now, whatever has become of it, and return it as it then stands.

        Raises `NoSuch`, and `Conflict` when its subscription has ended.
        """
        queue, found = await self._find(tenant, delivery_id)
        wish = Retry(
            queue.subscription_id,
            found.sequence,
            head_behind=queue.standing.cursor if queue.head == found.sequence else None,
        )
        [result] = await self._redelivery.retry(queue.partition, tenant.id, [wish])
        _check(result, _NO_DELIVERY)
        await self._set_off(tenant, [queue])
        log.info("delivery retried by hand", extra={"delivery_id": found.id, "tenant_id": tenant.id})
        return await self.get(tenant, delivery_id)

    async def replay(self, tenant: Tenant, subscription_id: str, since: float | None) -> int:
        """Send a subscription's events again, in order, from the first that was observed at `since` or later.

        `since` is in Unix seconds. Returns how many there are. Raises `NoSuch`, and `Conflict` when the subscription
        has ended.
        """
        queue = await self._queue(tenant, subscription_id)
        if queue is None:
            raise NoSuch(_NO_SUBSCRIPTION)
        first = first_since(queue.events, since)
        queued = count_wanted(queue.standing, queue.events, first)
        [result] = await self._redelivery.replay(queue.partition, tenant.id, [Replay(subscription_id, first)])
        _check(result, _NO_SUBSCRIPTION)
        await self._set_off(tenant, [queue])
        log.info("subscription replayed", extra={"subscription_id": subscription_id, "queued": queued})
        return queued

    async def retry_failed(self, tenant: Tenant, since: float | None, until: float | None) -> RetriedFailed:
        """Try everything again that was given up between two Unix times, both included; None is no bound.

        Deliveries of one subscription keep their order when nothing behind them has arrived; else they
        are begun in order, a second apart. Those of subscriptions that have ended stay failed.
        """
        lowest, highest = since or 0.0, float("inf") if until is None else until
        if highest < lowest:
            raise InvalidField("until", "until is before since.")
        entries = await self._pages.failed_between(tenant.id, lowest, highest, MOST_RETRIED + 1)
        shown, left = entries[:MOST_RETRIED], entries[MOST_RETRIED:]
        touched = list(dict.fromkeys(entry.subscription_id for entry in shown))
        queued = 0
        for begin in range(0, len(touched), _PLANNED_AT_ONCE):
            queues = await self._queues.read(tenant.id, touched[begin : begin + _PLANNED_AT_ONCE])
            plans = (_plan(queue, lowest, highest) for queue in queues)
            queued += await self._carry_out(tenant, [plan for plan in plans if plan])
        log.info("failed deliveries retried by hand", extra={"queued": queued, "tenant_id": tenant.id})
        return RetriedFailed(queued, left[0].at / 1000 if left else None)

    async def _find(self, tenant: Tenant, delivery_id: str) -> tuple[Queue, Delivery]:
        parts = ids.delivery_parts(delivery_id)
        queue = await self._queue(tenant, parts[0]) if parts else None
        found = queue.delivery(parts[1]) if queue and parts else None
        if queue is None or found is None:
            raise NoSuch(_NO_DELIVERY)
        return queue, found

    async def _queue(self, tenant: Tenant, subscription_id: str) -> Queue | None:
        """Return the queue of one of the tenant's subscriptions."""
        return next(iter(await self._queues.read(tenant.id, [subscription_id])), None)

    async def _carry_out(self, tenant: Tenant, plans: Sequence[_Plan]) -> int:
        queued = 0
        for partition in {plan.queue.partition for plan in plans}:
            here = [plan for plan in plans if plan.queue.partition is partition]
            queued += await self._send_again(partition, tenant, here)
        await self._set_off(tenant, [plan.queue for plan in plans])
        return queued

    async def _send_again(self, partition: Partition, tenant: Tenant, plans: Sequence[_Plan]) -> int:
        """Carry out plans in one partition; a queue that has moved since it was read is not moved back."""
        in_order = [(plan, plan.way) for plan in plans if isinstance(plan.way, Rewind)]
        replays = [Replay(plan.queue.subscription_id, way.first, plan.queue.standing.cursor) for plan, way in in_order]
        results = await self._redelivery.replay(partition, tenant.id, replays)
        queued = 0
        alone = [plan for plan in plans if isinstance(plan.way, OwnLanes)]
        for (plan, _), result in zip(in_order, results, strict=True):
            if result is Redelivered.DONE:
                queued += len(plan.failed)
            elif result is Redelivered.STALE:
                alone.append(plan)
        wishes = [wish for plan in alone for wish in plan.retries()]
        return queued + (await self._redelivery.retry(partition, tenant.id, wishes)).count(Redelivered.DONE)

    async def _set_off(self, tenant: Tenant, queues: Sequence[Queue]) -> None:
        """Let what is due now be tried now, also where the destination has failed of late."""
        for destination in {destination_of(queue.callback_url) for queue in queues}:
            await self._breakers.hasten(breaker_name(tenant.id, destination))
        for number in {queue.partition.number for queue in queues}:
            self._deliver_bell.ring(number)


def _plan(queue: Queue, lowest: float, highest: float) -> _Plan | None:
    """Decide how to send again what of a queue was given up between two times; None when there is nothing to do."""
    given_up = queue.standing.given_up
    failed = frozenset(sequence for sequence, at in given_up.items() if lowest <= at <= highest)
    if not failed or isinstance(queue.standing.life, Ended):
        return None
    return _Plan(queue, failed, plan_retry(queue.standing, queue.events, failed))


def _check(result: Redelivered, missing: str) -> None:
    """Raise what a wish that was not carried out is answered with."""
    if result is Redelivered.ENDED:
        raise Conflict(_ENDED)
    if result is Redelivered.GONE:
        raise NoSuch(missing)
