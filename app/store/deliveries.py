"""Deliveries in the ledger: claimed when something is to be delivered, and settled with what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.domain.delivery import DESTINATION_DOWN
from app.domain.event import CallNames, Event
from app.domain.subscription import SubscriptionStatus
from app.store import codec
from app.store.connection import Ledger, translated_errors
from app.store.keys import Partition
from app.store.short_forms import long_word, short_word
from app.store.subscriptions import Destination, SubscriptionStore
from app.store.watches import Recorded, count_within
from app.telemetry.trace_context import TraceContext

# Attempts kept of one subscription: a call's usual five events, each retried to the end, several times over.
_ATTEMPTS_KEPT = 500


AttemptOutcome = Literal["delivered", "retry", "failed", "gone"]
SettledAs = Literal["done", "fail", "retry", "slow", "wait", "pass"]


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event with its sequence, which counts a call's events from 1; `found_by` is its poll's span, if it has one."""

    sequence: int
    event: Event
    found_by: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class ClaimedOutbox:
    """Something to deliver, leased to this worker.

    `member` is the place in the outbox, `cursor` the sequence of the last event that is done with, `failures`
    how often the first of `events` has failed. `events` are one or several, in order. `due_at` is in Unix
    seconds by the ledger's clock. `slow_due_at` is when the first is due by its schedule once it fails slowly,
    else 0: a new event hastens its elder, so the claim may come sooner. `changed` names the state of the subscription
    that was claimed, as the ledger does.
    """

    member: str
    due_at: float
    tenant_id: str
    call: CallNames
    destination: Destination
    cursor: int
    failures: int
    slow_due_at: float
    claimed_at: float
    changed: str
    events: tuple[PendingEvent, ...]

    @property
    def subscription_id(self) -> str:
        return self.member.partition("/")[0]

    @property
    def own_lane(self) -> bool:
        """Whether this is a delivery that left the fast lane."""
        return "/" in self.member


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    """One POST as it is kept: `status_code` 0 and an `error` where no answer came.

    `at` is the moment that was signed, in Unix seconds: cut to whole ones it is the `webhook-timestamp`.
    """

    sequence: int
    at: float
    status_code: int
    error: str
    duration_ms: int
    excerpt: bytes
    outcome: AttemptOutcome

    @property
    def made(self) -> bool:
        """Whether there was an attempt: what is given up without a last one is logged too."""
        return self.error != DESTINATION_DOWN

    def pack(self) -> bytes:
        return codec.pack(
            [
                self.sequence, round(self.at * 1000), self.status_code, self.error, self.duration_ms, self.excerpt,
                short_word(self.outcome),
            ],
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes) -> "LoggedAttempt":
        sequence, at_ms, status_code, error, duration_ms, excerpt, outcome = codec.unpack(data)[:7]
        # Any: what is written is one of the outcomes.
        told: Any = long_word(outcome)
        return cls(sequence, at_ms / 1000, status_code, error, duration_ms, excerpt, told)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to record of a claimed delivery.

    `verdict` is settle_deliveries.lua's; `retry_at` in Unix seconds, 0 for `done`, and with `fail` the time of
    the last attempt; `cursor_after` the
    sequence of the last event that is then done with; `passed` the sequence of the head that a later event passed;
    `lease_seconds` is for how long the worker goes on with the subscription, 0 when it does not. `attempt` is None
    when nothing was sent.
    """

    member: str
    sequence: int
    cursor: int
    failures: int
    verdict: SettledAs
    attempt: LoggedAttempt | None = None
    retry_at: float = 0.0
    cursor_after: int = 0
    passed: int = 0
    lease_seconds: float = 0.0
    changed: str = ""


class DeliveryStore:
    def __init__(self, ledger: Ledger, subscriptions: SubscriptionStore, lifetime_seconds: float) -> None:
        """`lifetime_seconds` is how long a failed delivery is kept as such at most."""
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._lifetime_ms = round(lifetime_seconds * 1000)

    async def count_due(self, partitions: Sequence[Partition], horizon_seconds: float) -> list[int]:
        """Return how many places of each partition's outbox fall due within the horizon."""
        return await count_within(self._ledger, [partition.outbox for partition in partitions], horizon_seconds)

    async def claim(
        self,
        partition: Partition,
        *,
        horizon_seconds: float,
        lease_seconds: float,
        limit: int,
        events_each: int,
    ) -> list[ClaimedOutbox]:
        """Lease up to `limit` places of the outbox; see claim_deliveries.lua."""
        arguments = [
            partition.prefix,
            round(horizon_seconds * 1000),
            round(lease_seconds * 1000),
            limit,
            events_each,
        ]
        now_ms, pool, rows = await self._ledger.run("claim_deliveries", [partition.outbox], arguments)
        self._ledger.tell_time(now_ms, partition.outbox)
        calls = [codec.readable(_claimed_call, row) for row in pool]

        def claimed(row: Sequence[Any]) -> ClaimedOutbox | None:
            member, due_ms, tenant_id, body, cursor, failures, index, slow_due_ms, changed = row
            found = calls[index - 1]
            return found and ClaimedOutbox(
                member.decode(),
                float(due_ms) / 1000,
                tenant_id.decode(),
                found[0],
                self._subscriptions.open_body(body),
                int(cursor),
                int(failures),
                int(slow_due_ms or 0) / 1000,
                now_ms / 1000,
                (changed or b"").decode(),
                found[1],
            )

        return [claim for row in rows if (claim := codec.readable(claimed, row))]

    async def settle(self, partition: Partition, settlements: Sequence[Settlement]) -> list[Recorded]:
        """Record attempts and what they lead to, each wholly or not at all; see settle_deliveries.lua."""
        arguments: list[object] = [partition.prefix, _ATTEMPTS_KEPT, self._lifetime_ms]
        for one in settlements:
            arguments += [
                one.member,
                one.sequence,
                one.cursor,
                one.failures,
                one.verdict,
                round(one.retry_at * 1000),
                one.cursor_after,
                one.passed,
                round(one.lease_seconds * 1000),
                one.attempt.pack() if one.attempt else "",
                one.changed,
            ]
        *results, now_ms = await self._ledger.run("settle_deliveries", [partition.outbox], arguments)
        self._ledger.tell_time(now_ms, partition.outbox)
        return [Recorded(result) for result in results]

    async def still_stand(self, partition: Partition, claims: Sequence[ClaimedOutbox]) -> list[bool]:
        """Return of each claim whether its subscription is active, unchanged and where it was when it was claimed."""
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for one in claims:
                lane = f"r{one.events[0].sequence}" if one.own_lane else "a"
                pipe.hmget(partition.subscription(one.subscription_id), "st", "u", "c", lane)
            rows = await pipe.execute()
        return [_stands(one, *row) for one, row in zip(claims, rows, strict=True)]

    async def release(self, partition: Partition, claims: Sequence[ClaimedOutbox]) -> None:
        """Give back claims that were not begun, so that another worker takes them at once."""
        arguments = [part for claim in claims for part in (claim.member, round(claim.due_at * 1000))]
        await self._ledger.run("release", [partition.outbox], arguments)


def _stands(
    claim: ClaimedOutbox, status: bytes | None, changed: bytes | None, cursor: bytes | None, failures: bytes | None
) -> bool:
    if status != SubscriptionStatus.ACTIVE.encode() or (changed or b"").decode() != claim.changed or failures is None:
        return False
    return int(failures) == claim.failures and (claim.own_lane or int(cursor or 0) == claim.cursor)


def _claimed_call(row: Sequence[Any]) -> tuple[CallNames, tuple[PendingEvent, ...]]:
    line, call, first, events = row
    pending = (PendingEvent(first + place, *codec.unpack_found_event(event)) for place, event in enumerate(events))
    return codec.unpack_names(line, call), tuple(pending)
