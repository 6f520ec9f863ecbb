"""What the last attempt of a delivery sent, put together again: nothing of it is kept but its moment.

The body is a function of the event, and the signature one of the body, the moment and the secrets. A secret that signs
no more is not used again, not even here: what it has signed is shown with the signatures of those that sign now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.event import payload
from app.domain.signing import secret_key, signed_headers
from app.domain.signing_secrets import signing_keys
from app.store.clock import StoreClock
from app.store.delivery_records import Delivery
from app.store.subscriptions import Destination, SubscriptionStore
from app.store.tenants import Tenant


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A POST as it went out. Of the headers that the subscription gives there are the names alone."""

    url: str
    headers: Mapping[str, str]
    of_subscription: tuple[str, ...]
    body: bytes


class SentRequestService:
    """Tells a tenant what its receivers were sent."""

    def __init__(self, subscriptions: SubscriptionStore, clock: StoreClock) -> None:
        self._subscriptions = subscriptions
        self._clock = clock

    async def last_of(self, tenant: Tenant, delivery: Delivery) -> SentRequest | None:
        """Return what was sent last of one of the tenant's deliveries; None when nothing was, as far as is logged."""
        sent_at = next((one.at for one in reversed(delivery.attempts) if one.made), None)
        if sent_at is None:
            return None
        subscription = await self._subscriptions.get(delivery.subscription_id)
        if subscription is None or subscription.tenant_id != tenant.id:
            return None
        return self._request(tenant, delivery, subscription.destination, int(sent_at))

    def _request(self, tenant: Tenant, delivery: Delivery, destination: Destination, timestamp: int) -> SentRequest:
        body = payload(
            delivery.call,
            delivery.event,
            sequence=delivery.sequence,
            subscription_id=delivery.subscription_id,
            metadata=destination.metadata_at(delivery.sequence),
        )
        own = destination.secret
        keys = (secret_key(own),) if own else signing_keys(tenant.signing_secrets, self._clock.now())
        signed = signed_headers(keys, delivery.event_id, timestamp, body)
        headers = {"content-type": "application/json", **signed}
        return SentRequest(destination.callback_url, headers, tuple(destination.headers), body)
