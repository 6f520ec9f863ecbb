"""Use cases of subscriptions: read, listed, changed and cancelled."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from app.domain.callback_url import CallbackUrlRules, check_callback_url
from app.domain.subscription import (
    SubscriptionStatus,
    check_call_sid,
    check_metadata,
    event_filter,
)
from app.service.bell import Bell
from app.service.errors import Conflict, NoSuch, named
from app.store.subscriptions import (
    Changed,
    Subscription,
    SubscriptionChange,
    SubscriptionPage,
    SubscriptionStore,
)
from app.store.tenants import Tenant

_NO_SUCH = "There is no such subscription."
_REFUSALS = {
    Changed.ENDED_BEFORE: "The subscription has ended, cancelled or disabled: register a new one.",
    Changed.URL_TAKEN: "Another subscription sends this call's events to this callback_url already.",
    Changed.STALE: "The subscription is being changed by others at this moment: try again.",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WantedChange:
    """What a tenant asks to change, as it was said; what is None stays as it is."""

    callback_url: str | None = None
    events: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None
    paused: bool | None = None


class SubscriptionService:
    """What a tenant can do with its subscriptions."""

    def __init__(
        self,
        *,
        subscriptions: SubscriptionStore,
        deliver_bell: Bell,
        callback_rules: CallbackUrlRules,
    ) -> None:
        self._subscriptions = subscriptions
        self._deliver_bell = deliver_bell
        self._callback_rules = callback_rules

    async def get(self, tenant: Tenant, subscription_id: str) -> Subscription:
        """Return one of the tenant's subscriptions, or raise `NoSuch`."""
        found = await self._subscriptions.get(subscription_id)
        if found is None or found.tenant_id != tenant.id:
            raise NoSuch(_NO_SUCH)
        return found

    async def page(
        self,
        tenant: Tenant,
        *,
        limit: int,
        before: str,
        call_sid: str | None,
        status: SubscriptionStatus | None,
    ) -> SubscriptionPage:
        """Return a page of the tenant's subscriptions, the newest first; see `SubscriptionStore.page`."""
        if call_sid is not None:
            named("call_sid", check_call_sid, call_sid)
        return await self._subscriptions.page(tenant.id, limit=limit, before=before, call_sid=call_sid, status=status)

    async def change(self, tenant: Tenant, subscription_id: str, wanted: WantedChange) -> Subscription:
        """Change one of the tenant's subscriptions, and return it; raises `NoSuch` or `Conflict`."""
        change = self._check_change(wanted)
        found = await self.get(tenant, subscription_id)
        if wanted == WantedChange():
            return found
        changed = await self._subscriptions.change(found, change)
        match changed:
            case Changed.NOT_THERE:
                raise NoSuch(_NO_SUCH)
            case Changed.DONE | Changed.DONE_WITH_MORE:
                about = {"subscription_id": found.id, "tenant_id": tenant.id, "fields": _said(wanted)}
                log.info("subscription changed", extra=about)
            case _:
                raise Conflict(_REFUSALS[changed])
        if changed is Changed.DONE_WITH_MORE:
            self._deliver_bell.ring(self._subscriptions.partition_of_call(found.call.call_sid).number)
        return await self.get(tenant, subscription_id)

    async def cancel(self, tenant: Tenant, subscription_id: str) -> None:
        """Cancel one of the tenant's subscriptions; one that was cancelled before stays as it is."""
        found = await self.get(tenant, subscription_id)
        if await self._subscriptions.end(found, SubscriptionStatus.CANCELLED):
            log.info("subscription cancelled", extra={"subscription_id": found.id, "tenant_id": tenant.id})

    def _check_change(self, wanted: WantedChange) -> SubscriptionChange:
        url, events, metadata = wanted.callback_url, wanted.events, wanted.metadata
        return SubscriptionChange(
            None if url is None else named("callback_url", check_callback_url, url, self._callback_rules),
            None if events is None else named("events", event_filter, events),
            None if metadata is None else named("metadata", check_metadata, metadata),
            wanted.paused,
        )


def _said(wanted: WantedChange) -> list[str]:
    return [one.name for one in fields(wanted) if getattr(wanted, one.name) is not None]
