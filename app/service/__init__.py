"""The use cases of the API: what is asked for, checked in the domain's words and done in the ledger.

Everything that they raise beside `errors.ServiceError` is the store's.
"""

from dataclasses import dataclass

from app.service.callbacks import CallbackService
from app.service.calls import CallService
from app.service.deliveries import DeliveryService
from app.service.destinations import DestinationService
from app.service.export import ExportService
from app.service.live.streams import StreamService
from app.service.mirror import MirrorService
from app.service.overview import OverviewService
from app.service.reencryption import ReencryptionService
from app.service.registrations import RegistrationService
from app.service.sent_requests import SentRequestService
from app.service.signing_secrets import SigningSecretService
from app.service.subscriptions import SubscriptionService
from app.service.tenants import TenantService


@dataclass(frozen=True, slots=True)
class Service:
    """All use cases, by what they are about."""

    registrations: RegistrationService
    subscriptions: SubscriptionService
    calls: CallService
    exports: ExportService
    mirror: MirrorService
    deliveries: DeliveryService
    sent_requests: SentRequestService
    destinations: DestinationService
    tenants: TenantService
    signing_secrets: SigningSecretService
    reencryption: ReencryptionService
    callbacks: CallbackService
    overview: OverviewService
    streams: StreamService
