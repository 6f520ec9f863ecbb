"""The use case of a new encryption key: everything that is kept encrypted goes under it, so that the old one can go."""

import logging
from dataclasses import dataclass

from app.store.sealed import SealedStore, Unreadable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """What was done: so many put under the first key, so many under it before, and what no key of ours opens."""

    renewed: int
    unchanged: int
    unreadable: tuple[Unreadable, ...]


class ReencryptionService:
    """What the operator does after putting a new key first."""

    def __init__(self, sealed: SealedStore) -> None:
        self._sealed = sealed

    async def reencrypt(self) -> Reencrypted:
        """Encrypt under the first key what is under another one. Safe beside everything else, and to be done again.

        Once every process has the new key first and this finds nothing to renew, the old key opens nothing any more.
        """
        renewed = unchanged = 0
        unreadable: dict[Unreadable, None] = {}
        async for batch in self._sealed.reseal_all():
            renewed += batch.renewed
            unchanged += batch.unchanged
            unreadable |= dict.fromkeys(batch.unreadable)
        about = {"renewed": renewed, "unchanged": unchanged, "unreadable": len(unreadable)}
        log.info("re-encrypted under the first key", extra=about)
        return Reencrypted(renewed, unchanged, tuple(unreadable))
