"""Tenants' signing secrets in the ledger: one field of the tenant, so that a rotation is one exchange of it."""

import os
from collections.abc import Sequence

from app.domain import ids
from app.domain.signing import secret_from_bytes
from app.domain.signing_secrets import SigningSecret, rotated
from app.store import codec, keys
from app.store.connection import Ledger, StoreUnavailable, translated_errors
from app.store.vault import Vault

FIELD = "g"
_SECRET_BYTES = 32
# Of rotations that meet, one is made each time; so many meet only if somebody means it.
_TRIES = 30


class SigningSecretStore:
    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        self._vault = vault

    async def of(self, tenant_id: str) -> tuple[SigningSecret, ...]:
        """Return a tenant's secrets, the newest first, expired ones among them; none when there is no such tenant."""
        packed = await self._read(tenant_id)
        return open_secrets(tenant_id, packed, self._vault) if packed else ()

    async def rotate(self, tenant_id: str, overlap_seconds: float) -> tuple[SigningSecret, ...]:
        """Make a new secret and return all that there are then, the new one first; see `rotated`.

        Rotations that meet are made one after the other. There are none when there is no such tenant (any more).
        Raises `TooManySecrets`, and `StoreUnavailable` when others were faster again and again.
        """
        secrets: tuple[SigningSecret, ...] = ()
        after = b""
        for _ in range(_TRIES):
            before = await self._read(tenant_id)
            if before is None:
                return ()
            if before == after:
                # It was done, but Redis' answer was lost, and the second try found the first one's work.
                return secrets
            new = new_secret(self._ledger.clock.now())
            secrets = rotated(open_secrets(tenant_id, before, self._vault), new, overlap_seconds)
            after = pack_secrets(tenant_id, secrets, self._vault)
            if await self._ledger.run("swap_fields", [keys.tenant(tenant_id)], [FIELD, before, after]):
                return secrets
        raise StoreUnavailable("The tenant's signing secrets are being rotated by others all the time.")

    async def _read(self, tenant_id: str) -> bytes | None:
        async with translated_errors():
            packed: bytes | None = await self._ledger.redis.hget(keys.tenant(tenant_id), FIELD)
        return packed


def new_secret(now: float) -> SigningSecret:
    """Make a secret by chance; `now` in Unix seconds."""
    return SigningSecret(
        ids.plain_id("sec_", now, os.urandom(ids.CHANCE_BYTES)),
        secret_from_bytes(os.urandom(_SECRET_BYTES)),
        round(now, 3),
    )


def pack_secrets(tenant_id: str, secrets: Sequence[SigningSecret], vault: Vault) -> bytes:
    """Write a tenant's secrets, each sealed."""
    return codec.pack(
        [
            [one.id, vault.seal(one.secret, _purpose(tenant_id)), _ms(one.created_at), _ms(one.expires_at)]
            for one in secrets
        ]
    )


def open_secrets(tenant_id: str, packed: bytes, vault: Vault) -> tuple[SigningSecret, ...]:
    """Read a tenant's secrets; raises `UndecryptableSecret` when the key of one is not ours."""
    return tuple(
        SigningSecret(
            secret_id,
            vault.open(sealed, _purpose(tenant_id)),
            created_ms / 1000,
            None if expires_ms is None else expires_ms / 1000,
        )
        for secret_id, sealed, created_ms, expires_ms in (row[:4] for row in codec.unpack(packed))
    )


def reseal_secrets(tenant_id: str, packed: bytes, vault: Vault) -> bytes:
    """Return a tenant's secrets, each sealed under the first key; the same bytes when they are already."""
    rows = codec.unpack(packed)
    for row in rows:
        row[1] = vault.reseal(row[1], _purpose(tenant_id))
    return codec.pack(rows)


def _purpose(tenant_id: str) -> str:
    return f"signing {tenant_id}"


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
