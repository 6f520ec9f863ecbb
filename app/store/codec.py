"""How things are written in Redis: msgpack lists behind one byte that tells the version of the layout.

A layout is only ever extended at the end, so that two versions of the service can run side by side during
an upgrade; anything else takes a new version byte and a reader for both.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar

import msgpack

from app.domain.call import CallKey, Phase
from app.domain.errors import RingbackError, UndecryptableSecret
from app.domain.event import CallNames, Event
from app.domain.snapshot import Ahead, Snapshot
from app.domain.watch import NO_TROUBLE, Trouble, Watch
from app.store.short_forms import ShortTime, UnknownLayout, long_time, long_word, short_time, short_word
from app.store.vault import Vault
from app.telemetry.trace_context import TraceContext, unpack_context

# Whoever reads records finds here what may be wrong with one.
__all__ = ["Line", "Lines", "PackedWatch", "UnknownLayout", "pack", "readable", "unpack"]

Record = TypeVar("Record")

# What this release writes, and what it reads: a new layout is first read by one release, and written by a later one
# (docs/decisions/0013-upgrades.md).
WRITES = 1
READS = frozenset({1})
_VERSION = bytes([WRITES])
_CONNECTOR = "connector"
# The place of the sealed connector in a line.
_SEALED = 2
# The place of what found an event; where tracing is off there is none.
_FOUND_BY = 7
# Lines that a process has in mind, sealed and opened.
_MOST_LINES = 1024

log = logging.getLogger(__name__)


# A line as it stands in the ledger: the same, sealed by one key or by several.
Line = tuple[bytes, ...]


class PackedWatch(NamedTuple):
    """A watch as it stands in the ledger: its line, its call, and what a poll may change of it.

    `state` is None before the first poll that changed anything, `told` until the upstream has told when the call was
    created and where, `again_ms` unless it was followed anew, by somebody who came when nobody was left.
    """

    line: Line
    call: bytes
    state: bytes | None
    told: bytes | None
    again_ms: bytes | None


def pack(fields: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return _VERSION + packed


def unpack(data: bytes) -> list[Any]:
    """Return the fields, or raise `UnknownLayout`."""
    if data[:1] != _VERSION and (not data or data[0] not in READS):
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


class Lines:
    """Writes and reads what calls share: account, project and connector, which is sealed.

    A connector is sealed once and written as often as it is used, which tells no more than the account beside it; one
    that was opened is in mind by its sealed bytes.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed = lru_cache(_MOST_LINES)(partial(vault.seal, purpose=_CONNECTOR))
        self._opened = lru_cache(_MOST_LINES)(self._open)

    def pack(self, key: CallKey) -> bytes:
        return pack([key.account_id, key.project_id, self._sealed(key.connector_id)])

    @property
    def field(self) -> str:
        """The field of a line in which `pack` is kept; see keys.py."""
        return f"k{self._vault.key_name}"

    def unpack_watch(self, packed: PackedWatch) -> Watch:
        """Read a watch; raises `UndecryptableSecret` when the connector's key is not ours."""
        call_sid, registered_ms = unpack(packed.call)[:2]
        key, registered_at = CallKey(*self._opened(packed.line), call_sid), int(packed.again_ms or registered_ms) / 1000
        if packed.state is None:
            return Watch(key, registered_at, registered_ms / 1000)
        (
            phase_since, status, latest, last_updated, seen, ahead, failures, refusals, denied_since, lost, fingerprint,
        ) = unpack(packed.state)[:11]  # fmt: skip
        created_at, client_env = unpack(packed.told)[:2] if packed.told else ("", "")
        snapshot = Snapshot(
            long_word(status),
            long_word(latest),
            long_time(created_at),
            long_time(last_updated),
            client_env,
            {long_word(name): count for name, count in seen.items()},
            Ahead(long_word(ahead[0]), long_time(ahead[1])) if ahead else None,
            fingerprint,
        )
        troubled = failures or refusals or denied_since
        trouble = Trouble(failures, refusals, denied_since / 1000) if troubled else NO_TROUBLE
        # Any: what is written is one of the reasons.
        reason: Any = long_word(lost) or None
        return Watch(key, registered_at, phase_since / 1000, snapshot, trouble, reason)

    def _open(self, line: Line) -> tuple[str, str, str]:
        *others, last = line
        for one in others:
            with suppress(UndecryptableSecret):
                return self._open_one(one)
        return self._open_one(last)

    def _open_one(self, line: bytes) -> tuple[str, str, str]:
        account_id, project_id, sealed = unpack(line)[:3]
        return account_id, project_id, self._vault.open(sealed, _CONNECTOR)


def reseal_line(line: bytes, vault: Vault) -> bytes:
    """Return the same with the connector sealed under the first key; the same bytes when it is already."""
    fields = unpack(line)
    fields[_SEALED] = vault.reseal(fields[_SEALED], _CONNECTOR)
    return pack(fields)


def pack_call(key: CallKey, registered_at: float) -> bytes:
    """Write what never changes of a watch beside its line; `registered_at` in Unix seconds."""
    return pack([key.call_sid, _ms(registered_at)])


def unpack_sid(call: bytes) -> str:
    sid: str = unpack(call)[0]
    return sid


def unpack_names(line: Sequence[bytes], call: bytes) -> CallNames:
    """Read the call's names, without opening the connector."""
    account_id, project_id = unpack(line[0])[:2]
    return CallNames(account_id, project_id, unpack_sid(call))


def pack_state(watch: Watch) -> bytes:
    """Write what a poll may change of a watch."""
    snapshot, trouble = watch.snapshot, watch.trouble
    ahead = [short_word(snapshot.ahead.status), short_time(snapshot.ahead.at)] if snapshot.ahead else None
    seen = {short_word(name): count for name, count in snapshot.seen.items()}
    return pack(
        [
            _ms(watch.phase_since), short_word(snapshot.status), short_word(snapshot.latest),
            short_time(snapshot.last_updated), seen, ahead, trouble.failures, trouble.refusals,
            _ms(trouble.denied_since), short_word(watch.lost or ""), snapshot.fingerprint,
        ],
    )  # fmt: skip


def unpack_phase(state: bytes) -> Phase:
    """Read from what `pack_state` wrote in which phase the call is."""
    _, status, latest, _, seen = unpack(state)[:5]
    return Snapshot(long_word(status), long_word(latest), seen={long_word(name): n for name, n in seen.items()}).phase


def pack_told(snapshot: Snapshot) -> bytes:
    """Write what an upstream tells of a call once and then again and again."""
    return pack([short_time(snapshot.created_at), snapshot.client_env])


def pack_event(event: Event, found_by: TraceContext | None = None) -> bytes:
    """Write an event; when it was observed is written as the time since it occurred, where that is known to the second.

    An event is soon observed, so that a third of its bytes go. `found_by` is the span of the poll that found it.
    """
    occurred_at = short_time(event.occurred_at)
    observed_ms = _ms(event.observed_at) - _whole_seconds(occurred_at) * 1000
    return pack(
        [
            short_word(event.name), event.occurrence, short_word(event.status), short_word(event.previous),
            occurred_at, observed_ms, short_word(event.reason), *([found_by.packed] if found_by else ()),
        ],
    )  # fmt: skip


def unpack_event(data: bytes) -> Event:
    return _event(unpack(data))


def unpack_found_event(data: bytes) -> tuple[Event, TraceContext | None]:
    """Read an event, and the span of the poll that found it where there is one."""
    fields = unpack(data)
    return _event(fields), unpack_context(fields[_FOUND_BY]) if len(fields) > _FOUND_BY else None


def _event(fields: Sequence[Any]) -> Event:
    name, occurrence, status, previous, occurred_at, observed_ms, reason = fields[:7]
    return Event(
        long_word(name),
        occurrence,
        long_word(status),
        long_word(previous),
        long_time(occurred_at),
        (observed_ms + _whole_seconds(occurred_at) * 1000) / 1000,
        long_word(reason),
    )


def events_of(fields: Mapping[bytes, bytes]) -> tuple[Event, ...]:
    """Read the events of a watch, given its fields."""
    return tuple(unpack_event(fields[b"%d" % sequence]) for sequence in range(1, int(fields.get(b"e", 0)) + 1))


def _whole_seconds(time: ShortTime) -> int:
    match time:
        case int():
            return time
        case [int(seconds), _]:
            return seconds
        case _:
            return 0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
