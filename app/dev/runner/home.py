"""The folder that outlives a run: the keys, the demo tenant, Redis' data and the logs.

Redis keeps secrets that only the keys open, so the two belong together. Redis' folder carries the fingerprint of
its key; data that another key wrote, because `dev.env` was deleted or copied, is set aside, never deleted.
"""

import base64
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.dev.runner.errors import HomeInUse
from app.settings import ENCRYPTION_KEY_BYTES

_ADMIN_KEY = "RINGBACK_ADMIN_KEY"
_ENCRYPTION_KEYS = "RINGBACK_ENCRYPTION_KEYS"
_LISTENER_PORT = "RINGBACK_DEV_LISTENER_PORT"
_TENANT_OF = "RINGBACK_DEV_TENANT_OF"
_API_KEY = "RINGBACK_DEV_API_KEY"
_SIGNING_SECRET = "RINGBACK_DEV_SIGNING_SECRET"  # noqa: S105 -- the name of a setting
_HEAD = "# Written by `ringback dev`. Without these keys the data in redis/ cannot be read.\n"
_SECRET_FILE = 0o600


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """The tenant of the demonstration; `of` tells which upstream credentials it was made with."""

    of: str
    api_key: str = field(repr=False)
    signing_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one run leaves to the next. A `listener_port` of 0 is none yet."""

    admin_key: str = field(repr=False)
    encryption_keys: str = field(repr=False)
    listener_port: int = 0
    tenant: DemoTenant | None = None


class Home:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.redis_directory = directory / "redis"
        self.logs_directory = directory / "logs"
        self.env_file = directory / "dev.env"
        self._mark = self.redis_directory / "encryption-key.fingerprint"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it. Raises HomeInUse."""
        self.logs_directory.mkdir(parents=True, exist_ok=True)
        # It holds keys: no version control should ever take it up.
        (self.directory / ".gitignore").write_text("*\n")
        with (self.directory / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUse(
                    f"`ringback dev` already runs in {self.directory}: stop it first, or name another --folder."
                ) from None
            yield

    def load(self) -> Kept:
        """Return what the last run left, or new keys where it left none that can be used."""
        kept = _read(self.env_file)
        if kept is None:
            kept = Kept(
                admin_key=secrets.token_urlsafe(32),
                encryption_keys=base64.urlsafe_b64encode(os.urandom(ENCRYPTION_KEY_BYTES)).decode(),
            )
            self.save(kept)
        return kept

    def save(self, kept: Kept) -> None:
        values = {_ADMIN_KEY: kept.admin_key, _ENCRYPTION_KEYS: kept.encryption_keys}
        if kept.listener_port:
            values[_LISTENER_PORT] = str(kept.listener_port)
        if kept.tenant:
            values[_TENANT_OF] = kept.tenant.of
            values[_API_KEY] = kept.tenant.api_key
            values[_SIGNING_SECRET] = kept.tenant.signing_secret
        text = _HEAD + "".join(f"{name}={value}\n" for name, value in values.items())
        draft = self.env_file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_FILE), "w") as file:
            file.write(text)
        draft.replace(self.env_file)

    def prepare_redis(self, kept: Kept) -> Path | None:
        """Leave a Redis folder that belongs to these keys; return where another one's data went, if any."""
        fingerprint = hashlib.sha256(kept.encryption_keys.encode()).hexdigest()
        aside = None
        if self.redis_directory.exists() and self._fingerprint() != fingerprint and any(self.redis_directory.iterdir()):
            aside = self._set_aside()
        self.redis_directory.mkdir(parents=True, exist_ok=True)
        self._mark.write_text(fingerprint + "\n")
        return aside

    def _fingerprint(self) -> str:
        try:
            return self._mark.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _set_aside(self) -> Path:
        stem = time.strftime("redis-unreadable-%Y%m%d-%H%M%S", time.gmtime())
        aside = self.directory / stem
        number = 1
        while aside.exists():
            number += 1
            aside = self.directory / f"{stem}-{number}"
        return self.redis_directory.rename(aside)


def _read(path: Path) -> Kept | None:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    values = {name: value for name, _, value in (line.partition("=") for line in lines) if value}
    if not values.get(_ADMIN_KEY) or not _is_encryption_key(values.get(_ENCRYPTION_KEYS, "")):
        return None
    port = values.get(_LISTENER_PORT, "")
    return Kept(
        admin_key=values[_ADMIN_KEY],
        encryption_keys=values[_ENCRYPTION_KEYS],
        listener_port=int(port) if port.isascii() and port.isdigit() else 0,
        tenant=_tenant(values),
    )


def _tenant(values: Mapping[str, str]) -> DemoTenant | None:
    names = (_TENANT_OF, _API_KEY, _SIGNING_SECRET)
    return DemoTenant(*(values[name] for name in names)) if all(name in values for name in names) else None


def _is_encryption_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == ENCRYPTION_KEY_BYTES
    except ValueError:
        return False
