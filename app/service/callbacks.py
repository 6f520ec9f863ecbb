"""Use cases of callback URLs: trying one out before anything depends on it."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.callback_url import CallbackUrlRules, check_callback_url
from app.domain.ids import CHANCE_BYTES
from app.domain.ping import make_ping
from app.domain.signing import signed_headers
from app.domain.signing_secrets import signing_keys
from app.outbound.callback import CallbackClient
from app.outbound.http import Answer, Exchange
from app.service.errors import TooManyRequests, named
from app.store.clock import StoreClock
from app.store.tenants import Tenant

# A person tries one address after another. Whoever wants more at once wants something else of us, such as
# to knock at a stranger's door.
TESTS_OF_A_TENANT = 3
# Each holds a connection and a request of the API for as long as a receiver may take.
TESTS_IN_ALL = 20
# A receiver that is well has answered by then.
RETRY_AFTER_SECONDS = 1

log = logging.getLogger(__name__)


class CallbackService:
    """What a tenant can do with a callback URL that no subscription has."""

    def __init__(self, *, callbacks: CallbackClient, callback_rules: CallbackUrlRules, clock: StoreClock) -> None:
        self._callbacks = callbacks
        self._callback_rules = callback_rules
        self._clock = clock
        self._under_way: Counter[str] = Counter()

    async def test(self, tenant: Tenant, callback_url: str) -> Exchange:
        """Send a ping that is signed like the tenant's deliveries, once, and return what came of it.

        Raises `InvalidField`, and `TooManyRequests` when too many tests are under way in this process.
        """
        url = named("callback_url", check_callback_url, callback_url, self._callback_rules)
        with self._place(tenant.id):
            now = self._clock.now()
            ping = make_ping(now, os.urandom(CHANCE_BYTES))
            keys = signing_keys(tenant.signing_secrets, now)
            exchange = await self._callbacks.post(url, signed_headers(keys, ping.id, int(now), ping.body), ping.body)
        outcome = exchange.status_code if isinstance(exchange, Answer) else str(exchange.error)
        log.info("callback tested", extra={"tenant_id": tenant.id, "event_id": ping.id, "outcome": outcome})
        return exchange

    @contextmanager
    def _place(self, tenant_id: str) -> Iterator[None]:
        if self._under_way[tenant_id] >= TESTS_OF_A_TENANT or self._under_way.total() >= TESTS_IN_ALL:
            raise TooManyRequests("Too many callbacks are being tested at this moment: try again.", RETRY_AFTER_SECONDS)
        self._under_way[tenant_id] += 1
        try:
            yield
        finally:
            self._under_way[tenant_id] -= 1
            if not self._under_way[tenant_id]:
                del self._under_way[tenant_id]
