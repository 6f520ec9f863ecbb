"""The use case that most requests are for: subscriptions registered, within the bounds of their tenant."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.call import CallKey
from app.domain.callback_url import CallbackUrlRules, check_callback_url
from app.domain.signing import secret_key
from app.domain.subscription import check_call_sid, check_headers, check_metadata, check_name, event_filter
from app.service.active_room import ActiveRoom
from app.service.bell import Bell
from app.service.errors import InvalidField, TooManyRequests, named
from app.service.turns import taking_turns
from app.store.connection import PartlyWritten, StoreTakesNoWrites
from app.store.connectors import ConnectorStore
from app.store.registrations import Full, Refused, Registration, RegistrationStore
from app.store.subscriptions import NewSubscription, Subscription
from app.store.tenants import Tenant
from app.telemetry.metrics import REGISTRATIONS
from app.telemetry.trace_context import TraceContext

# Room is made by calls that end, which takes minutes rather than seconds.
_RETRY_AFTER_SECONDS = 60
_COUNTERS = {created: REGISTRATIONS.labels(created=str(created).lower()) for created in (False, True)}

log = logging.getLogger(__name__)


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


class RegistrationService:
    """Registers a tenant's subscriptions."""

    def __init__(
        self,
        *,
        registrations: RegistrationStore,
        poll_bell: Bell,
        deliver_bell: Bell,
        callback_rules: CallbackUrlRules,
        connectors: ConnectorStore,
    ) -> None:
        self._registrations = registrations
        self._connectors = connectors
        self._poll_bell = poll_bell
        self._deliver_bell = deliver_bell
        self._callback_rules = callback_rules
        self._room = ActiveRoom(registrations.active)

    async def register(
        self, tenant: Tenant, wanted: WantedSubscription, trace: TraceContext | None = None
    ) -> Registered:
        """Subscribe a tenant to a call; the same call and URL again finds the subscription that is there.

        `trace` is the span that the deliveries of a new one are to belong to.

        Raises `InvalidField`, or `TooManyRequests` when the tenant has as many as it may.
        """
        new = self._check(tenant, wanted, trace)
        [result] = await self._within_bounds(tenant, [new])
        await self._connectors.remember([new.key])
        registered = self._announce(tenant, result)
        if isinstance(registered, TooManyRequests):
            raise registered
        if registered.created:
            one = registered.subscription
            about = {"subscription_id": one.id, "tenant_id": tenant.id, "call_sid": one.call.call_sid}
            log.info("subscription registered", extra=about)
        return registered

    async def register_all(
        self, tenant: Tenant, wanted: Sequence[WantedSubscription], trace: TraceContext | None = None
    ) -> list[Registered | InvalidField | TooManyRequests]:
        """Do the same for many, and return what came of each in place of raising it."""
        checked = [self._checked(tenant, one, trace) async for one in taking_turns(wanted)]
        new = [one for one in checked if isinstance(one, NewSubscription)]
        results = iter(await self._within_bounds(tenant, new))
        await self._connectors.remember(one.key for one in new)
        announced = [one if isinstance(one, InvalidField) else self._announce(tenant, next(results)) for one in checked]
        new_ones = sum(isinstance(one, Registered) and one.created for one in announced)
        log.info("subscriptions registered", extra={"tenant_id": tenant.id, "wanted": len(wanted), "new": new_ones})
        return announced

    async def _within_bounds(self, tenant: Tenant, new: Sequence[NewSubscription]) -> list[Registration | Refused]:
        most_active, most_of_call = tenant.quotas.active_subscriptions, tenant.quotas.subscriptions_per_call
        if most_active is None:
            return await self._registrations.register_all(new, most_of_call=most_of_call)
        results: dict[int, Registration | Refused] = {}
        left = list(range(len(new)))
        while left:
            # What was there already took no room: those refused before may have it.
            async with self._room.taken(tenant.id, most_active, len(left)) as taken:
                try:
                    answers = await self._registrations.register_all(
                        [new[place] for place in left], room=taken.room, most_of_call=most_of_call
                    )
                except StoreTakesNoWrites as error:
                    raise (PartlyWritten(str(error)) if results else error) from error
                results.update(zip(left, answers, strict=True))
                taken.used = sum(isinstance(one, Registration) and one.took_room for one in answers)
            refused = [place for place in left if results[place] == Refused(Full.ACTIVE_SUBSCRIPTIONS)]
            left = refused if taken.used < taken.room else []
        return [results[place] for place in range(len(new))]

    def _announce(self, tenant: Tenant, result: Registration | Refused) -> Registered | TooManyRequests:
        """Ring for what came of a registration, and count it."""
        if isinstance(result, Refused):
            return TooManyRequests(_refusal(tenant, result.bound), _RETRY_AFTER_SECONDS)
        if result.poll_now:
            self._poll_bell.ring(result.partition.number)
        if result.deliver_now:
            self._deliver_bell.ring(result.partition.number)
        _COUNTERS[result.created].inc()
        return Registered(result.subscription, result.created)

    def _checked(
        self, tenant: Tenant, wanted: WantedSubscription, trace: TraceContext | None
    ) -> NewSubscription | InvalidField:
        try:
            return self._check(tenant, wanted, trace)
        except InvalidField as refusal:
            return refusal

    def _check(self, tenant: Tenant, wanted: WantedSubscription, trace: TraceContext | None) -> NewSubscription:
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
            trace=trace,
        )


def _refusal(tenant: Tenant, bound: Full) -> str:
    match bound:
        case Full.ACTIVE_SUBSCRIPTIONS:
            most = tenant.quotas.active_subscriptions
            return f"This tenant may have {most} active subscriptions, and has them. Calls that end make room."
        case Full.SUBSCRIPTIONS_PER_CALL:
            most = tenant.quotas.subscriptions_per_call
            return f"This tenant may have {most} subscriptions of one call, and has them."


def _name(field_name: str, given: str | None, default: str) -> str:
    return default if given is None else named(field_name, check_name, field_name, given)
