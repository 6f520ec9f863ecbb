"""Use cases of signing secrets: told of, and rotated."""

import logging
from dataclasses import dataclass

from app.domain.signing_secrets import SigningSecret, TooManySecrets, signing_at
from app.service.errors import Conflict
from app.store.clock import StoreClock
from app.store.signing_secrets import SigningSecretStore
from app.store.tenants import Tenant

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new secret, and those that go on signing beside it, the newest first."""

    new: SigningSecret
    previous: tuple[SigningSecret, ...]


class SigningSecretService:
    """What a tenant can learn of its signing secrets, and do about them."""

    def __init__(self, secrets: SigningSecretStore, clock: StoreClock) -> None:
        self._secrets = secrets
        self._clock = clock

    async def signing(self, tenant: Tenant) -> tuple[SigningSecret, ...]:
        """Return those that sign now, the newest first."""
        return signing_at(await self._secrets.of(tenant.id), self._clock.now())

    async def rotate(self, tenant: Tenant, overlap_seconds: float) -> Rotated:
        """Make a new secret, beside which the ones before sign for so many seconds more.

        Raises `Conflict` when so many sign already that another one finds no room.
        """
        try:
            secrets = await self._secrets.rotate(tenant.id, overlap_seconds)
        except TooManySecrets as refusal:
            raise Conflict(str(refusal)) from None
        if not secrets:
            raise Conflict("The tenant is being deleted.")
        new, *previous = secrets
        about = {"tenant_id": tenant.id, "secret_id": new.id, "overlap_seconds": overlap_seconds}
        log.info("signing secret rotated", extra=about)
        return Rotated(new, tuple(previous))
