"""The use cases of the API: what is asked for, checked in the domain's words and done in the ledger.

ServiceError
├── InvalidField    a field that is refused, and why
└── NoSuch          nothing of that name, or nothing of this tenant's: the two are never told apart
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from app.domain.call import CallKey
from app.domain.callback_url import CallbackUrlRules, InvalidCallbackUrl, check_callback_url
from app.domain.errors import InvalidSecret, InvalidSubscription, RingbackError
from app.domain.signing import secret_key
from app.domain.subscription import (
    SubscriptionStatus,
    check_call_sid,
    check_headers,
    check_metadata,
    check_name,
    event_filter,
)
from app.store.subscriptions import NewSubscription, Subscription, SubscriptionPage, SubscriptionStore
from app.store.tenants import NewTenant, Tenant, TenantStore
from app.store.watches import KeptCall, WatchStore
from app.telemetry.metrics import REGISTRATIONS

Arguments = ParamSpec("Arguments")
Checked = TypeVar("Checked")

log = logging.getLogger(__name__)


class ServiceError(RingbackError):
    """What is asked for cannot be done."""


class InvalidField(ServiceError):
    """A field that is refused."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class NoSuch(ServiceError):
    """There is nothing of that name, or it is another tenant's."""


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


class Service:
    """What tenants and the operator can do. Everything it raises beside `ServiceError` is the store's."""

    def __init__(
        self,
        *,
        subscriptions: SubscriptionStore,
        watches: WatchStore,
        tenants: TenantStore,
        poll_bell: Bell,
        deliver_bell: Bell,
        callback_rules: CallbackUrlRules,
    ) -> None:
        self._subscriptions = subscriptions
        self._watches = watches
        self._tenants = tenants
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
        return Registered(await self.subscription(tenant, registration.id), registration.created)

    async def subscription(self, tenant: Tenant, subscription_id: str) -> Subscription:
        """Return one of the tenant's subscriptions, or raise `NoSuch`."""
        found = await self._subscriptions.get(subscription_id)
        if found is None or found.tenant_id != tenant.id:
            raise NoSuch("There is no such subscription.")
        return found

    async def subscriptions(
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
            _named("call_sid", check_call_sid, call_sid)
        return await self._subscriptions.page(tenant.id, limit=limit, before=before, call_sid=call_sid, status=status)

    async def cancel(self, tenant: Tenant, subscription_id: str) -> None:
        """Cancel one of the tenant's subscriptions; one that was cancelled before stays as it is."""
        found = await self.subscription(tenant, subscription_id)
        if await self._subscriptions.end(found, SubscriptionStatus.CANCELLED):
            log.info("subscription cancelled", extra={"subscription_id": found.id, "tenant_id": tenant.id})

    async def call(self, tenant: Tenant, call_sid: str, account_id: str | None, project_id: str | None) -> KeptCall:
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

    async def create_tenant(self, name: str, account_id: str, project_id: str, connector_id: str) -> NewTenant:
        """Create a tenant; its API key can be read nowhere else afterwards."""
        for field_name, value in (
            ("account_id", account_id),
            ("project_id", project_id),
            ("connector_id", connector_id),
        ):
            _named(field_name, check_name, field_name, value)
        new = await self._tenants.create(name, account_id, project_id, connector_id)
        log.info("tenant created", extra={"tenant_id": new.tenant.id})
        return new

    async def tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant, or raise `NoSuch`."""
        found = await self._tenants.get(tenant_id)
        if found is None:
            raise NoSuch("There is no such tenant.")
        return found

    async def tenants(self, *, limit: int, after: str) -> list[Tenant]:
        """Return up to `limit` tenants, the oldest first, behind the id `after`."""
        return await self._tenants.page(limit=limit, after=after)

    async def authenticate(self, api_key: str) -> Tenant | None:
        """Return the tenant whose key this is, or None."""
        return await self._tenants.authenticate(api_key)

    def _check(self, tenant: Tenant, wanted: WantedSubscription) -> NewSubscription:
        if wanted.secret is not None:
            _named("secret", secret_key, wanted.secret)
        return NewSubscription(
            tenant_id=tenant.id,
            key=CallKey(
                _name("account_id", wanted.account_id, tenant.account_id),
                _name("project_id", wanted.project_id, tenant.project_id),
                _name("connector_id", wanted.connector_id, tenant.connector_id),
                _named("call_sid", check_call_sid, wanted.call_sid),
            ),
            callback_url=_named("callback_url", check_callback_url, wanted.callback_url, self._callback_rules),
            events=_named("events", event_filter, wanted.events),
            metadata=_named("metadata", check_metadata, wanted.metadata),
            secret=wanted.secret,
            headers=_named("headers", check_headers, wanted.headers),
        )


def _name(field_name: str, given: str | None, default: str) -> str:
    return default if given is None else _named(field_name, check_name, field_name, given)


def _named(
    field_name: str,
    check: Callable[Arguments, Checked],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Checked:
    """Make one of the domain's checks, and say of which field a refusal is."""
    try:
        return check(*args, **kwargs)
    except (InvalidSubscription, InvalidSecret, InvalidCallbackUrl) as refusal:
        raise InvalidField(field_name, str(refusal)) from refusal
