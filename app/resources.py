"""The only wiring: everything a process holds open, made from its settings and closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arq.connections import ArqRedis

from app.domain.breaker import cooldowns
from app.domain.callback_url import CallbackUrlRules
from app.outbound.callback import CallbackClient
from app.outbound.upstream import open_upstream
from app.queue import (
    DELIVER_DUE,
    DELIVER_QUEUE,
    POLL_DUE,
    POLL_QUEUE,
    Doorbell,
    NewsBell,
    NewsFeed,
    QueueVitalSigns,
    open_queue,
)
from app.service import Service
from app.service.callbacks import CallbackService
from app.service.calls import CallService
from app.service.deliveries import DeliveryService
from app.service.destinations import DestinationService
from app.service.export import ExportService
from app.service.live.reading_along import ReadingAlong
from app.service.live.streams import StreamService
from app.service.mirror import MirrorService
from app.service.overview import OverviewService
from app.service.read_through import Ask, ReadThrough, within_budget
from app.service.reencryption import ReencryptionService
from app.service.registrations import RegistrationService
from app.service.sent_requests import SentRequestService
from app.service.signing_secrets import SigningSecretService
from app.service.subscriptions import SubscriptionService
from app.service.tenants import TenantService
from app.service.vital_signs import VitalSignsService
from app.settings import Settings
from app.store.api_keys import ApiKeyStore
from app.store.breakers import BreakerStore
from app.store.call_pages import CallPages
from app.store.connection import Ledger
from app.store.connectors import ConnectorStore
from app.store.deliveries import DeliveryStore
from app.store.delivery_pages import DeliveryPages
from app.store.delivery_records import QueueStore
from app.store.departures import Departures
from app.store.journal import JournalReader
from app.store.once import OnceStore
from app.store.redelivery import RedeliveryStore
from app.store.registrations import RegistrationStore
from app.store.sealed import SealedStore
from app.store.signing_secrets import SigningSecretStore
from app.store.subscriptions import SubscriptionStore
from app.store.tenant_records import TenantRecords
from app.store.tenants import TenantStore
from app.store.troubled import TroubledStore
from app.store.upstream_budgets import UpstreamBudgets
from app.store.vault import Vault
from app.store.vital_signs import VitalSigns
from app.store.watches import WatchStore

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

# Requests of one process to the upstream about calls that nobody follows, at once: anybody may cause them.
_MOST_READ_THROUGH = 20


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process works with."""

    settings: Settings
    ledger: Ledger
    queue: ArqRedis
    watches: WatchStore
    subscriptions: SubscriptionStore
    registrations: RegistrationStore
    deliveries: DeliveryStore
    tenants: TenantStore
    api_keys: ApiKeyStore
    once: OnceStore
    signing_secrets: SigningSecretStore
    breakers: BreakerStore
    callbacks: CallbackClient
    poll_doorbell: Doorbell
    deliver_doorbell: Doorbell
    news: NewsBell
    service: Service
    vital_signs: VitalSignsService
    tracing: "Tracing | None"


class _Stores:
    """What is kept in the ledger, each store made once."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.ledger = ledger
        self.vault = Vault(settings.encryption_keys)
        lifetime = settings.watch_max_seconds + settings.retention_seconds
        records = TenantRecords(self.vault)
        self.subscriptions = SubscriptionStore(ledger, self.vault, settings.partitions)
        self.registrations = RegistrationStore(ledger, self.vault, settings.partitions, lifetime)
        self.watches = WatchStore(ledger, self.vault, settings.retention_seconds, traced=bool(settings.otlp_endpoint))
        self.call_pages = CallPages(ledger, self.watches, settings.partitions)
        self.connectors = ConnectorStore(ledger, self.watches, settings.partitions)
        self.deliveries = DeliveryStore(ledger, self.subscriptions, lifetime)
        self.breakers = BreakerStore(
            ledger, cooldowns(settings.delivery_retry_seconds), settings.delivery_timeout_seconds
        )
        self.tenants = TenantStore(ledger, records)
        self.api_keys = ApiKeyStore(ledger, records)
        self.signing_secrets = SigningSecretStore(ledger, self.vault)


class _Bells:
    """What this process rings for others."""

    def __init__(self, queue: ArqRedis) -> None:
        self.poll = Doorbell(queue, POLL_QUEUE, POLL_DUE)
        self.deliver = Doorbell(queue, DELIVER_QUEUE, DELIVER_DUE)
        self.news = NewsBell(queue)


@asynccontextmanager
async def open_resources(settings: Settings, traced_as: str = "") -> AsyncIterator[Resources]:
    """Open what every kind of process needs. Nothing is asked of Redis yet.

    `traced_as` is the role under which its traces are sent; without it there are none.
    """
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(_tracing(settings, traced_as))
        ledger = Ledger(settings.redis_url)
        stack.push_async_callback(ledger.aclose)
        queue = open_queue(settings.queue_url)
        stack.push_async_callback(queue.aclose, close_connection_pool=True)
        bells = _Bells(queue)
        for bell in (bells.poll, bells.deliver, bells.news):
            stack.push_async_callback(bell.aclose)
        callbacks = await stack.enter_async_context(open_callbacks(settings))
        read_through = await stack.enter_async_context(_read_through(settings, ledger))
        stores = _Stores(settings, ledger)
        reading = ReadingAlong(JournalReader(ledger, settings.partitions), NewsFeed(queue))
        stack.push_async_callback(reading.aclose)
        signs, queue_signs = VitalSigns(ledger, settings.partitions), QueueVitalSigns(queue)
        yield Resources(
            settings=settings,
            ledger=ledger,
            queue=queue,
            watches=stores.watches,
            subscriptions=stores.subscriptions,
            registrations=stores.registrations,
            deliveries=stores.deliveries,
            tenants=stores.tenants,
            api_keys=stores.api_keys,
            once=OnceStore(ledger),
            signing_secrets=stores.signing_secrets,
            breakers=stores.breakers,
            callbacks=callbacks,
            poll_doorbell=bells.poll,
            deliver_doorbell=bells.deliver,
            news=bells.news,
            service=_service(
                settings,
                stores,
                callbacks,
                read_through,
                overview=OverviewService(ledger=ledger, signs=signs, queue=queue_signs, tenants=stores.tenants),
                streams=_streams(settings, stores, reading),
                bells=bells,
            ),
            vital_signs=VitalSignsService(ledger, signs, queue_signs, settings.vital_signs_seconds),
            tracing=tracing,
        )


@asynccontextmanager
async def _tracing(settings: Settings, role: str) -> AsyncIterator["Tracing | None"]:
    """Open what sends traces, or nothing where no endpoint is set: then nothing of it is imported."""
    if not settings.otlp_endpoint or not role:
        yield None
        return
    from app.telemetry.tracing import open_tracing  # noqa: PLC0415 -- it needs packages that are there for it alone

    async with open_tracing(settings.otlp_endpoint, role) as tracing:
        yield tracing


def _streams(settings: Settings, stores: _Stores, reading: ReadingAlong) -> StreamService:
    return StreamService(_calls(stores), stores.api_keys, reading, settings.max_streams)


def _calls(stores: _Stores) -> CallService:
    return CallService(subscriptions=stores.subscriptions, watches=stores.watches, pages=stores.call_pages)


def _service(
    settings: Settings,
    stores: _Stores,
    callbacks: CallbackClient,
    read_through: ReadThrough | None,
    *,
    overview: OverviewService,
    streams: StreamService,
    bells: _Bells,
) -> Service:
    ledger, rules = stores.ledger, callback_url_rules(settings)
    queues = QueueStore(ledger, settings.partitions)
    return Service(
        registrations=RegistrationService(
            registrations=stores.registrations,
            connectors=stores.connectors,
            poll_bell=bells.poll,
            deliver_bell=bells.deliver,
            callback_rules=rules,
        ),
        subscriptions=SubscriptionService(
            subscriptions=stores.subscriptions, deliver_bell=bells.deliver, callback_rules=rules
        ),
        calls=_calls(stores),
        exports=ExportService(pages=stores.call_pages, clock=ledger.clock),
        mirror=MirrorService(connectors=stores.connectors, read_through=read_through),
        deliveries=DeliveryService(
            queues=queues,
            pages=DeliveryPages(ledger, queues),
            redelivery=RedeliveryStore(ledger),
            breakers=stores.breakers,
            deliver_bell=bells.deliver,
        ),
        sent_requests=SentRequestService(stores.subscriptions, ledger.clock),
        destinations=DestinationService(TroubledStore(ledger), stores.tenants),
        tenants=TenantService(
            tenants=stores.tenants,
            api_keys=stores.api_keys,
            departures=Departures(ledger, stores.subscriptions, settings.partitions),
            connectors=stores.connectors,
        ),
        signing_secrets=SigningSecretService(stores.signing_secrets, ledger.clock),
        reencryption=ReencryptionService(SealedStore(ledger, stores.vault)),
        callbacks=CallbackService(callbacks=callbacks, callback_rules=rules, clock=ledger.clock),
        overview=overview,
        streams=streams,
    )


@asynccontextmanager
async def _read_through(settings: Settings, ledger: Ledger) -> AsyncIterator[ReadThrough | None]:
    """Open what asks the upstream about calls that nobody follows, or nothing where that is not wanted."""
    if not settings.mirror_read_through:
        yield None
        return
    async with (
        open_upstream(
            settings.upstream_base_url,
            timeout_seconds=settings.upstream_timeout_seconds,
            now=ledger.clock.now,
        ) as upstream,
        aclosing(ReadThrough(_polite(upstream.relay, settings, ledger), _MOST_READ_THROUGH)) as read_through,
    ):
        yield read_through


def _polite(ask: Ask, settings: Settings, ledger: Ledger) -> Ask:
    """Charge what asks the upstream to the budgets of polls, where there are any."""
    rate = settings.upstream_max_rps
    return within_budget(ask, UpstreamBudgets(ledger, rate), ledger.clock) if rate else ask


def open_callbacks(settings: Settings) -> CallbackClient:
    """Make the client that POSTs to receivers; inside a running loop."""
    return CallbackClient(
        timeout_seconds=settings.delivery_timeout_seconds,
        max_connections=settings.delivery_max_connections,
        allow_private=settings.allow_private_callbacks,
        extra_trust_roots=Path(settings.callback_trust_roots) if settings.callback_trust_roots else None,
        proxy_url=settings.egress_proxy_url,
    )


def callback_url_rules(settings: Settings) -> CallbackUrlRules:
    """Return what this installation allows of callback URLs."""
    ports = None if "*" in settings.callback_ports else frozenset(int(port) for port in settings.callback_ports)
    return CallbackUrlRules(settings.allow_http_callbacks, settings.allow_private_callbacks, ports)
