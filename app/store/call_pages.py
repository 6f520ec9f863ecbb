"""A tenant's calls: page by page with the newest first, or those that have ended as one long stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.domain import ids
from app.domain.call import status_name
from app.store.call_walk import CallWalk, FoundCall
from app.store.connection import Ledger
from app.store.keys import all_partitions, sort_key
from app.store.subscription_index import SubscriptionIndex
from app.store.watches import KeptCall, WatchStore

# So many subscriptions are looked at in one step; the script that looks for ended calls takes about two milliseconds
# for them, while which Redis does nothing else.
_SCAN_AT_ONCE = 200
# A page looks at no more than so many in all, and ends early once it holds so many events: it may come out
# short, and says where to go on. A call has five events, a hostile one a thousand.
_MOST_SCANNED = 2000
_MOST_EVENTS = 10_000
# So many calls are held at a time, with their events.
_READ_AT_ONCE = 50
# Longer than any poll takes, from when it is sent until its answer is observed.
_LONGEST_POLL_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which of a tenant's calls; what is None does not narrow them. `status` in any of its spellings."""

    status: str | None = None
    ended: bool | None = None

    def may_show(self, found: FoundCall) -> bool:
        return self.ended in (None, found.ended)

    def shows(self, call: KeptCall) -> bool:
        answer = call.last_answer
        return self.status is None or (answer is not None and status_name(answer.status) == status_name(self.status))


@dataclass(frozen=True, slots=True)
class CallPage:
    """Some of a tenant's calls; `following` is where to go on, empty at the end."""

    items: tuple[KeptCall, ...]
    following: str


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call, and the subscription that stands for it among the tenant's calls."""

    call: KeptCall
    subscription_id: str


class CallPages:
    def __init__(self, ledger: Ledger, watches: WatchStore, partitions: int) -> None:
        self._partitions = all_partitions(partitions)
        self._index = SubscriptionIndex(ledger, self._partitions)
        self._walk = CallWalk(ledger, self._partitions)
        self._watches = watches

    async def page(self, tenant_id: str, only: CallFilter, *, limit: int, before: str = "") -> CallPage:
        """Return up to `limit` of a tenant's calls, those first that it subscribed to last.

        `before` is where the page before said to go on. A page may be short or even empty and yet not the last.
        """
        found: list[PlacedCall] = []
        scanned = events = 0
        while scanned < _MOST_SCANNED:
            # One more than is shown tells whether anything follows.
            wanted = _SCAN_AT_ONCE if scanned or only != CallFilter() else min(_SCAN_AT_ONCE, limit + 1)
            candidates = await self._index.before(tenant_id, before, wanted)
            calls = await self._walk.calls_of(tenant_id, candidates, only.may_show)
            for at in range(0, len(calls), _READ_AT_ONCE):
                read = await self._read(calls[at : at + _READ_AT_ONCE])
                found += [one for one in read if only.shows(one.call)]
                events += sum(len(one.call.events) for one in read)
                if len(found) > limit:
                    return _page(found[:limit], sort_key(found[limit - 1].subscription_id))
                if events >= _MOST_EVENTS:
                    return _page(found, sort_key(calls[at : at + _READ_AT_ONCE][-1].subscription_id))
            if len(candidates) < wanted:
                return _page(found, "")
            before = sort_key(candidates[-1])
            scanned += wanted
        return _page(found, before)

    async def finished(self, tenant_id: str, *, since: float, after: str = "") -> AsyncIterator[list[PlacedCall]]:
        """Yield, some at a time, the tenant's calls whose final event was observed at `since` or later.

        Partition by partition, and in each in the order in which the tenant subscribed to them; `after` is the
        subscription that stands for the last call that was taken. It costs one round trip for each 200 subscriptions
        that are kept, one or two more where some of their calls have ended since then, and one for each 50 calls
        that are yielded.
        """
        polled_since = max(0.0, since - _LONGEST_POLL_SECONDS)
        for partition in self._partitions[ids.partition_of(after) or 0 :]:
            while True:
                found, after = await self._walk.ended(
                    partition, tenant_id, polled_since=polled_since, after=after, limit=_SCAN_AT_ONCE
                )
                for at in range(0, len(found), _READ_AT_ONCE):
                    read = await self._read(found[at : at + _READ_AT_ONCE])
                    yield [one for one in read if one.call.final and one.call.final.observed_at >= since]
                if not after:
                    break

    async def _read(self, found: list[FoundCall]) -> list[PlacedCall]:
        calls = await self._watches.read_many([one.place for one in found])
        return [PlacedCall(call, one.subscription_id) for one, call in zip(found, calls, strict=True) if call]


def _page(found: list[PlacedCall], following: str) -> CallPage:
    return CallPage(tuple(one.call for one in found), following)
