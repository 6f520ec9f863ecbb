"""Use cases of calls: what is kept of them."""

from app.service.errors import NoSuch
from app.store.subscriptions import SubscriptionStore
from app.store.tenants import Tenant
from app.store.watches import KeptCall, WatchStore


class CallService:
    """What a tenant can learn of the calls that it has subscribed to."""

    def __init__(self, *, subscriptions: SubscriptionStore, watches: WatchStore) -> None:
        self._subscriptions = subscriptions
        self._watches = watches

    async def get(self, tenant: Tenant, call_sid: str, account_id: str | None, project_id: str | None) -> KeptCall:
        """Return what is kept of a call that the tenant has subscribed to, or raise `NoSuch`.

        Should several calls bear that SID, it is the one of that account and project that was subscribed to last.
        """
        partition = self._subscriptions.partition_of_call(call_sid)
        for watch_id in await self._subscriptions.watches_of_call(tenant.id, call_sid):
            kept = await self._watches.read(partition, watch_id)
            if kept is None:
                continue
            key = kept.watch.key
            if account_id in (None, key.account_id) and project_id in (None, key.project_id):
                return kept
        raise NoSuch("No such call has been subscribed to, or it is not kept any more.")
