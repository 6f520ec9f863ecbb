"""The stores on a real Redis, for a machine that knows no event loop; and the hand that lets time pass in Redis."""

import asyncio
import math
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from app.domain.subscription import EventFilter, SubscriptionStatus
from app.resources import Resources, open_resources
from app.settings import Settings
from app.store.deliveries import ClaimedOutbox, LoggedAttempt, Settlement
from app.store.keys import Partition
from app.store.redelivery import Redelivered, RedeliveryStore, Replay, Retry
from app.store.registrations import Refused, Registration
from app.store.subscriptions import Changed, NewSubscription, SubscriptionChange
from app.store.watches import ClaimedPoll, PolledStep, PutOff, Recorded
from tests.builders import make_key
from tests.loops import StrictLoop
from tests.protocol.picture import DUMP, Dump, read_dump
from tests.protocol.truth import Subscription
from tests.store.making import read

# Whatever is leased or put off is so for an hour, and whatever is due is so now: no test lasts that long.
FAR_SECONDS = 3600.0

Answer = TypeVar("Answer")


class Installation:
    def __init__(self, runner: asyncio.Runner, resources: Resources) -> None:
        self._loop = runner.get_loop()
        self.resources = resources
        self._redelivery = RedeliveryStore(resources.ledger)

    def _wait(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return self._loop.run_until_complete(coroutine)

    def now(self) -> float:
        return self.resources.ledger.clock.now()

    def empty(self) -> None:
        self._wait(self.resources.ledger.redis.flushdb())

    def dump(self) -> Dump:
        return read_dump(self._wait(self.resources.ledger.redis.eval(DUMP, 0)))

    def partition_of(self, call_sid: str) -> Partition:
        return self.resources.subscriptions.partition_of_call(call_sid)

    def pass_time(self, name: str, member: str, score: float) -> None:
        """Let the moment come that a member waits for: whole milliseconds are gone, so that a lease still looks so."""
        past = score - math.ceil(max(0.0, score - self.now() * 1000) + 1)
        self._wait(self.resources.ledger.redis.zadd(name, {member: past}, xx=True))

    def register(
        self, call_sid: str, tenant: str, url: str, events: tuple[str, ...], *, room: int | None = None
    ) -> Registration | Refused:
        new = NewSubscription(tenant, make_key(call_sid=call_sid), url, EventFilter(events), {}, None, {})
        [registration] = self._wait(self.resources.registrations.register_all([new], room=room))
        return registration

    def claim_polls(self, partition: Partition) -> list[ClaimedPoll]:
        claiming = self.resources.watches.claim(partition, horizon_seconds=0.0, lease_seconds=FAR_SECONDS, limit=100)
        return self._wait(claiming)

    def commit(self, partition: Partition, steps: Sequence[PolledStep]) -> list[Recorded]:
        return self._wait(self.resources.watches.commit(partition, steps))

    def put_off(self, partition: Partition, waiting: PutOff) -> None:
        self._wait(self.resources.watches.put_off(partition, [waiting]))

    def release_poll(self, partition: Partition, claim: ClaimedPoll) -> None:
        self._wait(self.resources.watches.release(partition, [claim]))

    def claim_deliveries(self, partition: Partition, events_each: int) -> list[ClaimedOutbox]:
        claiming = self.resources.deliveries.claim(
            partition, horizon_seconds=0.0, lease_seconds=FAR_SECONDS, limit=100, events_each=events_each
        )
        return self._wait(claiming)

    def settle(self, partition: Partition, settlements: Sequence[Settlement]) -> list[Recorded]:
        return self._wait(self.resources.deliveries.settle(partition, settlements))

    def release_delivery(self, partition: Partition, claim: ClaimedOutbox) -> None:
        self._wait(self.resources.deliveries.release(partition, [claim]))

    def change(self, one: Subscription, change: SubscriptionChange) -> Changed:
        subscription = self._wait(read(self.resources, one.id))
        return self._wait(self.resources.subscriptions.change(subscription, change))

    def cancel(self, one: Subscription) -> bool:
        subscription = self._wait(read(self.resources, one.id))
        return self._wait(self.resources.subscriptions.end(subscription, SubscriptionStatus.CANCELLED))

    def disable(self, one: Subscription, attempt: LoggedAttempt, changed: str) -> bool:
        subscription = self._wait(read(self.resources, one.id))
        ending = self.resources.subscriptions.end(
            subscription, SubscriptionStatus.DISABLED, attempt.pack(), unless_changed_since=changed
        )
        return self._wait(ending)

    def replay(self, partition: Partition, one: Subscription, replay: Replay) -> Redelivered:
        return self._wait(self._redelivery.replay(partition, one.tenant, [replay]))[0]

    def retry(self, partition: Partition, one: Subscription, retry: Retry) -> Redelivered:
        return self._wait(self._redelivery.retry(partition, one.tenant, [retry]))[0]


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Open the stores on a loop of their own, which outlasts all examples."""
    with asyncio.Runner(loop_factory=StrictLoop) as runner:
        opening = open_resources(settings)
        resources = runner.run(opening.__aenter__())
        try:
            runner.run(resources.ledger.ping())
            yield Installation(runner, resources)
        finally:
            runner.run(opening.__aexit__(None, None, None))
