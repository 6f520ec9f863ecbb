"""All that stands in Redis at one moment, and what of it every partition holds."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.store import codec
from app.store.keys import Partition, full_id

# One script, so that it is one moment.
DUMP = """
local found = {}
for _, name in ipairs(redis.call('KEYS', 'rb:*')) do
  local kind, value = redis.call('TYPE', name).ok, nil
  if kind == 'hash' then
    value = redis.call('HGETALL', name)
  elseif kind == 'zset' then
    value = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then
    value = redis.call('LRANGE', name, 0, -1)
  elseif kind == 'stream' then
    value = {}
    for place, entry in ipairs(redis.call('XRANGE', name, '-', '+')) do
      value[place] = table.concat(entry[2], ' ')
    end
  else
    value = {redis.call('GET', name)}
  end
  found[#found + 1] = {name, kind, value}
end
return found
"""

Row = Mapping[str, bytes]
Dump = Mapping[str, Mapping[str, bytes] | tuple[bytes, ...]]


def read_dump(answer: list[tuple[bytes, bytes, list[bytes]]]) -> Dump:
    """Read what `DUMP` returns: hashes and sorted sets by field and member, all else as it is."""
    return {name.decode(): _value(kind, value) for name, kind, value in answer}


def _value(kind: bytes, value: list[bytes]) -> Mapping[str, bytes] | tuple[bytes, ...]:
    if kind in {b"hash", b"zset"}:
        return {key.decode(): inner for key, inner in zip(value[::2], value[1::2], strict=True)}
    return tuple(value)


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A watch as it is written: `happened` are its events' types and occurrences, `bytes` what they are written as."""

    row: Row
    happened: tuple[tuple[str, int], ...]
    written: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a partition holds. Scores are Unix ms, subscriptions by their whole ids."""

    due: Mapping[str, float]
    outbox: Mapping[str, float]
    calls: Mapping[str, KeptCall]
    registrations: Mapping[str, Mapping[str, str]]
    subscriptions: Mapping[str, Row]
    logs: Mapping[str, int]
    active: Mapping[str, int]
    failed: frozenset[str]
    index: tuple[str, ...]
    indexed_by_call: tuple[str, ...]
    lines: frozenset[str]
    journal: Mapping[str, tuple[int, ...]]


def picture(dump: Dump, partition: Partition) -> Picture:
    keys = {name.removeprefix(partition.prefix): kept for name, kept in dump.items() if partition.prefix in name}
    hashes = {name: kept for name, kept in keys.items() if isinstance(kept, Mapping)}
    number = partition.number
    found = {full_id(number, name[1:]): row for name, row in hashes.items() if re.fullmatch(r"s.{20}", name)}
    plain = {name: kept for name, kept in keys.items() if not isinstance(kept, Mapping)}
    pieces = [piece.decode() for name, kept in plain.items() if re.fullmatch(r"c.{20}", name) for piece in kept]
    return Picture(
        due=_scores(hashes.get("due", {})),
        outbox=_scores(hashes.get("outbox", {})),
        calls={name[1:]: _call(row) for name, row in hashes.items() if re.fullmatch(r"w.{24}", name)},
        registrations={
            name[1:]: {digest: one.decode() for digest, one in row.items()}
            for name, row in hashes.items()
            if re.fullmatch(r"r.{24}", name)
        },
        subscriptions=found,
        logs={one: _logged(row, keys.get(f"l{one[6:]}", ())) for one, row in found.items()},
        active={
            name.removeprefix("active:"): sum(map(int, row.values()))
            for name, row in hashes.items()
            if name.startswith("active:")
        },
        failed=frozenset(one for name, row in hashes.items() if name.startswith("failed:") for one in row),
        index=tuple(one for name, row in hashes.items() if name.startswith("of:") for one in row),
        indexed_by_call=tuple(full_id(number, text[at : at + 20]) for text in pieces for at in range(0, len(text), 20)),
        lines=frozenset(name.removeprefix("line:") for name in hashes if name.startswith("line:")),
        journal=_journal(plain.get("journal", ())),
    )


def _journal(entries: Iterable[bytes]) -> dict[str, tuple[int, ...]]:
    """Return which events of each call were written down, by their sequences in the order of the journal."""
    told: dict[str, tuple[int, ...]] = {}
    for entry in entries:
        _, watch_id, _, first, _, *event_ids = entry.decode().split()
        told[watch_id] = told.get(watch_id, ()) + tuple(range(int(first), int(first) + len(event_ids)))
    return told


def _scores(row: Row) -> dict[str, float]:
    return {member: float(score) for member, score in row.items()}


def _call(row: Row) -> KeptCall:
    sequences = sorted(int(field) for field in row if field.isdigit())
    assert sequences == list(range(1, int(row.get("e", 0)) + 1)), f"the events are numbered {sequences}"
    events = codec.events_of({field.encode(): value for field, value in row.items()})
    written = tuple(row[str(sequence)] for sequence in sequences)
    return KeptCall(row, tuple((event.name, event.occurrence) for event in events), written)


def _logged(row: Row, moved: Mapping[str, bytes] | tuple[bytes, ...]) -> int:
    """Return how many attempts are logged, wherever they stand."""
    own = [field for field in row if re.fullmatch(r"l\d+", field)]
    assert not own or not moved, "attempts stand in two places"
    return len(own) + len(moved)
