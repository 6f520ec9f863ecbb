"""How things are written in Redis: msgpack lists behind one byte that tells the version of the layout.

A layout is only ever extended at the end, so that two versions of the service can run side by side during
an upgrade; anything else takes a new version byte and a reader for both.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgpack

from app.domain.call import CallKey
from app.domain.errors import RingbackError
from app.domain.event import CallNames, Event
from app.domain.snapshot import Ahead, Snapshot
from app.domain.watch import Trouble, Watch
from app.store.vault import Vault

Record = TypeVar("Record")

_VERSION = b"\x01"
_CONNECTOR = "connector"
# The place of the sealed connector in a watch's key.
_SEALED = 3
# Connectors that a process has in mind, sealed.
_MOST_SEALED = 1024

log = logging.getLogger(__name__)


class UnknownLayout(RingbackError):
    """Something in Redis was written by a newer Ringback than this one."""


def pack(fields: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return _VERSION + packed


def unpack(data: bytes) -> list[Any]:
    """Return the fields, or raise `UnknownLayout`."""
    if data[:1] != _VERSION:
        raise UnknownLayout(f"A record of layout {data[:1].hex() or 'none'} was written by a newer Ringback.")
    fields: list[Any] = msgpack.unpackb(data[1:], strict_map_key=False)
    return fields


def readable(read: Callable[[Sequence[Any]], Record], row: Sequence[Any]) -> Record | None:
    """Read a claimed row; one that cannot be read is told of and left to its lease, and harms no other."""
    try:
        return read(row)
    except RingbackError as error:
        log.error("a claimed record cannot be read", extra={"reason": str(error)})  # noqa: TRY400 -- it names the cause
        return None


class KeyWriter:
    """Writes what never changes of a watch, its connector sealed.

    A connector is sealed once and written as often as it is used, which tells no more than the account beside it.
    """

    def __init__(self, vault: Vault) -> None:
        self._sealed = lru_cache(_MOST_SEALED)(partial(vault.seal, purpose=_CONNECTOR))

    def pack(self, key: CallKey, registered_at: float) -> bytes:
        """Write the key of a watch; `registered_at` in Unix seconds."""
        sealed = self._sealed(key.connector_id)
        return pack([key.account_id, key.project_id, key.call_sid, sealed, _ms(registered_at)])


def reseal_key(key: bytes, vault: Vault) -> bytes:
    """Return the same with the connector sealed under the first key; the same bytes when it is already."""
    fields = unpack(key)
    fields[_SEALED] = vault.reseal(fields[_SEALED], _CONNECTOR)
    return pack(fields)


def unpack_names(data: bytes) -> CallNames:
    """Read the call's names, without opening the connector."""
    account_id, project_id, call_sid = unpack(data)[:3]
    return CallNames(account_id, project_id, call_sid)


def pack_state(watch: Watch) -> bytes:
    """Write what a poll may change of a watch."""
    snapshot, trouble = watch.snapshot, watch.trouble
    ahead = [snapshot.ahead.status, snapshot.ahead.at] if snapshot.ahead else None
    return pack(
        [
            _ms(watch.phase_since), snapshot.status, snapshot.latest, snapshot.created_at, snapshot.last_updated,
            snapshot.client_env, snapshot.seen, ahead, trouble.failures, trouble.refusals,
            _ms(trouble.denied_since), watch.lost, snapshot.fingerprint,
        ],
    )  # fmt: skip


def unpack_watch(key: bytes, state: bytes, vault: Vault) -> Watch:
    """Read a watch; raises `UndecryptableSecret` when the connector's key is not ours."""
    account_id, project_id, call_sid, sealed, registered_at = unpack(key)[:5]
    (
        phase_since, status, latest, created_at, last_updated, client_env, seen, ahead, failures, refusals,
        denied_since, lost, fingerprint,
    ) = unpack(state)[:13]  # fmt: skip
    waiting = Ahead(*ahead) if ahead else None
    snapshot = Snapshot(status, latest, created_at, last_updated, client_env, seen, waiting, fingerprint)
    connector_id = vault.open(sealed, _CONNECTOR)
    return Watch(
        CallKey(account_id, project_id, connector_id, call_sid),
        registered_at / 1000,
        phase_since / 1000,
        snapshot,
        Trouble(failures, refusals, denied_since / 1000),
        lost,
    )


def pack_event(event: Event) -> bytes:
    return pack(
        [
            event.name, event.occurrence, event.status, event.previous, event.occurred_at, _ms(event.observed_at),
            event.reason,
        ],
    )  # fmt: skip


def unpack_event(data: bytes) -> Event:
    name, occurrence, status, previous, occurred_at, observed_at, reason = unpack(data)[:7]
    return Event(name, occurrence, status, previous, occurred_at, observed_at / 1000, reason)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
