"""Use cases of subscriptions: made, read, listed and cancelled."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.domain.call import CallKey
from app.domain.callback_url import CallbackUrlRules, check_callback_url
from app.domain.signing import secret_key
from app.domain.subscription import (
    SubscriptionStatus,
    check_call_sid,
    check_headers,
    check_metadata,
    check_name,
    event_filter,
)
from app.service.errors import NoSuch, named
from app.store.subscriptions import NewSubscription, Subscription, SubscriptionPage, SubscriptionStore
from app.store.tenants import Tenant
from app.telemetry.metrics import REGISTRATIONS

log = logging.getLogger(__name__)


class Bell(Protocol):
    """What makes a worker look at a partition soon."""

    def ring(self, partition: int) -> None: ...


@dataclass(frozen=True, slots=True)
class WantedSubscription:
    """What a tenant asks for, as it was said; what is None comes from the tenant."""

    call_sid: str
    callback_url: str
    events: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    account_id: str | None = None
    project_id: str | None = None
    connector_id: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A subscription, and whether it is new."""

    subscription: Subscription
    created: bool


class SubscriptionService:
    """What a tenant can do with its subscriptions."""

    def __init__(
        self,
        *,
        subscriptions: SubscriptionStore,
        poll_bell: Bell,
        deliver_bell: Bell,
        callback_rules: CallbackUrlRules,
    ) -> None:
        self._subscriptions = subscriptions
        self._poll_bell = poll_bell
        self._deliver_bell = deliver_bell
        self._callback_rules = callback_rules

    async def register(self, tenant: Tenant, wanted: WantedSubscription) -> Registered:
        """Subscribe a tenant to a call; the same call and URL again finds the subscription that is there."""
        registration = await self._subscriptions.register(self._check(tenant, wanted))
        if registration.poll_now:
            self._poll_bell.ring(registration.partition.number)
        if registration.deliver_now:
            self._deliver_bell.ring(registration.partition.number)
        REGISTRATIONS.labels(created=str(registration.created).lower()).inc()
        if registration.created:
            about = {"subscription_id": registration.id, "tenant_id": tenant.id, "call_sid": wanted.call_sid}
            log.info("subscription registered", extra=about)
        return Registered(await self.get(tenant, registration.id), registration.created)

    async def get(self, tenant: Tenant, subscription_id: str) -> Subscription:
        """Return one of the tenant's subscriptions, or raise `NoSuch`."""
        found = await self._subscriptions.get(subscription_id)
        if found is None or found.tenant_id != tenant.id:
            raise NoSuch("There is no such subscription.")
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

    async def cancel(self, tenant: Tenant, subscription_id: str) -> None:
        """Cancel one of the tenant's subscriptions; one that was cancelled before stays as it is."""
        found = await self.get(tenant, subscription_id)
        if await self._subscriptions.end(found, SubscriptionStatus.CANCELLED):
            log.info("subscription cancelled", extra={"subscription_id": found.id, "tenant_id": tenant.id})

    def _check(self, tenant: Tenant, wanted: WantedSubscription) -> NewSubscription:
        if wanted.secret is not None:
            named("secret", secret_key, wanted.secret)
        return NewSubscription(
            tenant_id=tenant.id,
            key=CallKey(
                _name("account_id", wanted.account_id, tenant.account_id),
                _name("project_id", wanted.project_id, tenant.project_id),
                _name("connector_id", wanted.connector_id, tenant.connector_id),
                named("call_sid", check_call_sid, wanted.call_sid),
            ),
            callback_url=named("callback_url", check_callback_url, wanted.callback_url, self._callback_rules),
            events=named("events", event_filter, wanted.events),
            metadata=named("metadata", check_metadata, wanted.metadata),
            secret=wanted.secret,
            headers=named("headers", check_headers, wanted.headers),
        )


def _name(field_name: str, given: str | None, default: str) -> str:
    return default if given is None else named(field_name, check_name, field_name, given)
