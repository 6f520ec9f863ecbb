"""How a tenant is written: a hash with a field for each thing, so that changing one cannot undo another's change."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from app.domain.signing_secrets import SigningSecret
from app.domain.tenant import Quotas
from app.store import signing_secrets
from app.store.vault import Vault

_QUOTAS = {"active_subscriptions": "qs", "subscriptions_per_call": "qc", "requests_per_second": "qr"}
NAME = "n"
# What a tenant is read from, in the order in which `open` takes it; see keys.py. authenticate.lua takes the last one
# for the requests per second.
FIELDS = (NAME, "a", "p", "c", signing_secrets.FIELD, "t", *_QUOTAS.values())
# A tenant's record takes about a kilobyte opened.
_MOST_OPENED = 10_000

Row = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant with its default upstream credentials. Of its `signing_secrets` the newest is first."""

    id: str
    name: str
    account_id: str
    project_id: str
    connector_id: str
    signing_secrets: tuple[SigningSecret, ...]
    created_at: float
    quotas: Quotas = field(default_factory=Quotas)

    def __repr__(self) -> str:
        return f"Tenant({self.id})"


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What to change of a tenant; what is None stays as it is, and of the quotas those that are not named.

    `quotas` has the names of `Quotas`' fields; None is no bound.
    """

    name: str | None = None
    account_id: str | None = None
    project_id: str | None = None
    connector_id: str | None = None
    quotas: Mapping[str, int | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "TenantChange()"


class TenantRecords:
    """Writes and reads tenants. What was opened is remembered by its bytes: each request reads its tenant."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: dict[str, tuple[tuple[bytes | None, ...], Tenant]] = {}

    def fields(self, tenant: Tenant) -> dict[str, bytes | str | int]:
        """Return the fields of a new tenant."""
        change = TenantChange(
            tenant.name, tenant.account_id, tenant.project_id, tenant.connector_id, asdict(tenant.quotas)
        )
        changed = self.changed(tenant.id, change).items()
        return {
            **{name: value for name, value in changed if value != ""},
            signing_secrets.FIELD: signing_secrets.pack_secrets(tenant.id, tenant.signing_secrets, self._vault),
            "t": round(tenant.created_at * 1000),
        }

    def changed(self, tenant_id: str, change: TenantChange) -> dict[str, bytes | str | int]:
        """Return the fields that a change sets; an empty one is to be removed."""
        changed: dict[str, bytes | str | int | None] = {
            NAME: change.name,
            "a": change.account_id,
            "p": change.project_id,
            "c": None if change.connector_id is None else self._vault.seal(change.connector_id, _connector(tenant_id)),
        }
        bounds = {_QUOTAS[name]: "" if bound is None else bound for name, bound in change.quotas.items()}
        return {name: value for name, value in changed.items() if value is not None} | bounds

    def reseal_connector(self, tenant_id: str, sealed: bytes) -> bytes:
        """Return a connector sealed under the first key; the same bytes when it is already."""
        return self._vault.reseal(sealed, _connector(tenant_id))

    def open(self, tenant_id: str, row: Row) -> Tenant | None:
        """Read the values of `FIELDS`; None when there is no such tenant. Raises `UndecryptableSecret`."""
        if row[0] is None:
            return None
        written, tenant = self._opened.get(tenant_id, ((), None))
        if tenant is None or written != tuple(row):
            tenant = self._open(tenant_id, dict(zip(FIELDS, row, strict=True)))
            if len(self._opened) >= _MOST_OPENED:
                self._opened.clear()
            self._opened[tenant_id] = (tuple(row), tenant)
        return tenant

    def _open(self, tenant_id: str, row: Mapping[str, bytes | None]) -> Tenant:
        return Tenant(
            tenant_id,
            _text(row[NAME]),
            _text(row["a"]),
            _text(row["p"]),
            self._vault.open(row["c"] or b"", _connector(tenant_id)),
            signing_secrets.open_secrets(tenant_id, row[signing_secrets.FIELD] or b"", self._vault),
            int(row["t"] or 0) / 1000,
            Quotas(**{name: _bound(row[field_name]) for name, field_name in _QUOTAS.items()}),
        )


def _connector(tenant_id: str) -> str:
    return f"connector {tenant_id}"


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _bound(value: bytes | None) -> int | None:
    return None if value is None else int(value)
