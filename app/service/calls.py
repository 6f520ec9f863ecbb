"""Use cases of calls: what is kept of them."""

from dataclasses import dataclass
from typing import TypeVar

from app.service.errors import NoSuch
from app.store.call_pages import CallFilter, CallPage, CallPages
from app.store.subscriptions import SubscriptionStore
from app.store.tenants import Tenant
from app.store.watches import CallPlace, EventPage, KeptCall, WatchStore

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class WantedCall:
    """Which call is meant; what is None is left open."""

    call_sid: str
    account_id: str | None = None
    project_id: str | None = None


class CallService:
    """What a tenant can learn of the calls that it has subscribed to."""

    def __init__(self, *, subscriptions: SubscriptionStore, watches: WatchStore, pages: CallPages) -> None:
        self._subscriptions = subscriptions
        self._watches = watches
        self._pages = pages

    async def get(self, tenant: Tenant, wanted: WantedCall) -> KeptCall:
        """Return what is kept of a call that the tenant has subscribed to, or raise `NoSuch`.

        Should several calls fit, it is the one that was subscribed to last.
        """
        place = await self._find(tenant.id, wanted)
        return _there(await self._watches.read(*place))

    async def events(self, tenant: Tenant, wanted: WantedCall, *, behind: int, limit: int) -> EventPage:
        """Return up to `limit` events of such a call behind a sequence, or raise `NoSuch`."""
        place = await self._find(tenant.id, wanted)
        return _there(await self._watches.read_events(place, behind=behind, limit=limit))

    async def place_of(self, tenant_id: str, wanted: WantedCall) -> CallPlace:
        """Return where such a call is kept, or raise `NoSuch`."""
        return await self._find(tenant_id, wanted)

    async def events_at(self, place: CallPlace, *, behind: int, limit: int) -> EventPage:
        """Return up to `limit` events of the call that is kept there behind a sequence, or raise `NoSuch`."""
        return _there(await self._watches.read_events(place, behind=behind, limit=limit))

    async def page(self, tenant: Tenant, only: CallFilter, *, limit: int, before: str) -> CallPage:
        """Return a page of the tenant's calls, the newest first; see `CallPages.page`."""
        return await self._pages.page(tenant.id, only, limit=limit, before=before)

    async def _find(self, tenant_id: str, wanted: WantedCall) -> CallPlace:
        partition = self._subscriptions.partition_of_call(wanted.call_sid)
        watch_ids = await self._subscriptions.watches_of_call(tenant_id, wanted.call_sid)
        places = [CallPlace(partition, watch_id) for watch_id in watch_ids]
        for place, names in zip(places, await self._watches.names_of(places), strict=True):
            if (
                names
                and wanted.account_id in (None, names.account_id)
                and wanted.project_id in (None, names.project_id)
            ):
                return place
        raise _no_such_call()


def _there(found: Kept | None) -> Kept:
    """Return what is there; what expired since it was found was never there."""
    if found is None:
        raise _no_such_call()
    return found


def _no_such_call() -> NoSuch:
    return NoSuch("No such call has been subscribed to, or it is not kept any more.")
