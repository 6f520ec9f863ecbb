"""Everything in the ledger that is sealed, found and put under the first key, beside whoever works meanwhile.

Each sealed thing stands in a hash: in one field, or in several in pieces. It is read, sealed anew, and exchanged if it
is still what was read; if not, somebody else has changed it, and it is read again. A walk visits everything that was
there when it began and still is when it ends; what is made meanwhile is sealed by whoever makes it.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from app.domain.errors import RingbackError
from app.store import codec, signing_secrets
from app.store.connection import Ledger, ScriptCall, translated_errors
from app.store.keys import full_id
from app.store.subscription_records import BODY, SubscriptionBodies, cut
from app.store.tenant_records import TenantRecords
from app.store.vault import Vault

# About so many keys are looked at between two turns of everybody else.
_SCAN_AT_ONCE = 500
_WALKED = "rb:{*}:*"
_TRIES = 30
# What a record that is none of ours may make its reader raise.
_MALFORMED = (ValueError, TypeError, LookupError)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that no key of ours opens, and why; `what` names it without telling anything of it."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resealed:
    """What came of some sealed things: so many put under the first key, so many there already."""

    renewed: int
    unchanged: int
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of sealed thing: the keys that it stands in, the fields, and how it is sealed anew, given its id.

    Its fields are its pieces, or, with None, all of the hash, each of which is a thing of its own.
    """

    name: str
    key: re.Pattern[bytes]
    fields: tuple[str, ...] | None
    reseal: Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Place:
    kind: _Kind
    key: str
    id: str
    fields: tuple[str, ...]

    def unreadable(self, reason: str) -> Unreadable:
        return Unreadable(f"{self.kind.name} {self.id}", reason)


@dataclass(frozen=True, slots=True)
class _Exchange:
    place: _Place
    before: bytes
    after: bytes


class SealedStore:
    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        tenants, bodies = TenantRecords(vault), SubscriptionBodies(vault)
        tenant = re.compile(rb"rb:\{(ten_[0-9a-z]+)\}:tenant")
        line, subscription = re.compile(rb"rb:\{\d+\}:line:(.+)"), re.compile(rb"rb:\{(\d+)\}:s([0-9a-z]{20})")
        self._kinds = (
            _Kind("connector of tenant", tenant, ("c",), tenants.reseal_connector),
            _Kind(
                "signing secrets of tenant",
                tenant,
                (signing_secrets.FIELD,),
                lambda tenant_id, packed: signing_secrets.reseal_secrets(tenant_id, packed, vault),
            ),
            _Kind("connector of calls", line, None, lambda _, packed: codec.reseal_line(packed, vault)),
            _Kind("secret or headers of subscription", subscription, BODY, lambda _, body: bodies.reseal(body)),
        )

    async def reseal_all(self) -> AsyncIterator[Resealed]:
        """Put everything under the first key, a batch at a time.

        May be ended at any time and begun again: what has been done is only looked at. Something that Redis moves
        about meanwhile may be visited, and counted, twice.
        """
        async for names in self._ledger.walk(_WALKED, "hash", _SCAN_AT_ONCE):
            yield await self._reseal([place for name in names for place in await self._places(name)])

    async def _places(self, name: bytes) -> list[_Place]:
        places = []
        for kind in self._kinds:
            if found := kind.key.fullmatch(name):
                each = [kind.fields] if kind.fields else await self._fields(name)
                places += [_Place(kind, name.decode(), _id(*found.groups()), fields) for fields in each]
        return places

    async def _fields(self, name: bytes) -> list[tuple[str, ...]]:
        async with translated_errors():
            return [(field.decode(),) for field in await self._ledger.redis.hkeys(name)]

    async def _reseal(self, places: Sequence[_Place]) -> Resealed:
        """Put these under the first key, and those that somebody else has changed meanwhile again."""
        renewed = unchanged = 0
        unreadable: list[Unreadable] = []
        for _ in range(_TRIES):
            exchanges: list[_Exchange] = []
            for place, before in zip(places, await self._read(places), strict=True):
                match _sealed_anew(place, before):
                    case Unreadable() as found:
                        unreadable.append(found)
                    case _Exchange() as exchange:
                        exchanges.append(exchange)
                    case _:
                        unchanged += before is not None
            places = await self._carry_out(exchanges)
            renewed += len(exchanges) - len(places)
            if not places:
                break
        unreadable += [place.unreadable("It is being changed all the time.") for place in places]
        return Resealed(renewed, unchanged, tuple(unreadable))

    async def _read(self, places: Sequence[_Place]) -> list[bytes | None]:
        async with translated_errors():
            pipe = self._ledger.redis.pipeline(transaction=False)
            for place in places:
                pipe.hmget(place.key, *place.fields)
            values = await pipe.execute()
        return [b"".join(piece for piece in pieces if piece) or None for pieces in values]

    async def _carry_out(self, exchanges: Sequence[_Exchange]) -> list[_Place]:
        """Store what was sealed anew; returns what holds something else by now. See swap_fields.lua."""
        if not exchanges:
            return []
        calls = [ScriptCall("swap_fields", [one.place.key], _pieces(one)) for one in exchanges]
        results = await self._ledger.run_each(calls)
        return [one.place for one, result in zip(exchanges, results, strict=True) if not result]


def _id(*found: bytes) -> str:
    """Return what a key's name says whose it is: an id, or a subscription's in two parts."""
    if len(found) == 1:
        return found[0].decode()
    partition, short_id = found
    return full_id(int(partition), short_id.decode())


def _pieces(exchange: _Exchange) -> list[str | bytes]:
    """Return each field with what was read and what to store, as swap_fields.lua takes them."""
    fields = exchange.place.fields
    befores, afters = (cut(whole, len(fields)) for whole in (exchange.before, exchange.after))
    return [part for row in zip(fields, befores, afters, strict=True) for part in row]


def _sealed_anew(place: _Place, before: bytes | None) -> _Exchange | Unreadable | None:
    """Return what to put in place of what is there; None when nothing is there or it need not be changed."""
    if before is None:
        return None
    try:
        after = place.kind.reseal(place.id, before)
    except RingbackError as error:
        return place.unreadable(str(error))
    except _MALFORMED:
        return place.unreadable("It is not written as Ringback writes it.")
    return _Exchange(place, before, after) if after != before else None
