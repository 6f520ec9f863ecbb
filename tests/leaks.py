"""Looks for secrets where none may be: in everything that Redis holds, in files, in answers, however they are spelt."""

import base64
import contextlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

# So much of a secret tells too much, too.
_FRAGMENT_LENGTH = 16
_MOST_COMPRESSED = 100_000
_ZLIB_HEADS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret, by its name, that stands where it must not, in some spelling."""

    name: str
    spelling: str
    place: str


def spellings(secret: str) -> dict[str, bytes]:
    """Return the ways in which a secret could be written, each under what it is called."""
    raw = secret.encode()
    written = {"plain": raw, **_encoded(raw)}
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        written |= {f"key, {how}": spelt for how, spelt in ({"raw": key} | _encoded(key)).items()}
    if len(secret) >= 2 * _FRAGMENT_LENGTH:
        written |= {"beginning": raw[:_FRAGMENT_LENGTH], "end": raw[-_FRAGMENT_LENGTH:]}
    # Half of a secret that is as short as a word is a word.
    return {how: spelt for how, spelt in written.items() if len(spelt) > 1}


def _encoded(raw: bytes) -> dict[str, bytes]:
    text = raw.decode("latin-1")
    return {
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "path": quote(raw).encode(),
        "url": quote(raw, safe="").encode(),
        "form": quote_plus(raw).encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "repr": repr(raw)[2:-1].encode(),
        **{f"base64 {offset}": _inside_base64(raw, offset) for offset in range(3)},
        **{f"base64url {offset}": _inside_base64(raw, offset, b"-_") for offset in range(3)},
    }


def _inside_base64(raw: bytes, offset: int, letters: bytes = b"+/") -> bytes:
    """Return what is sure to be seen of it in the base64 of something longer, in which it begins at that offset."""
    encoded = base64.b64encode(bytes(offset) + raw, letters).rstrip(b"=")
    sure = len(encoded) if (offset + len(raw)) % 3 == 0 else -1
    return encoded[-(-offset * 8 // 6) : sure]


def leaks(place: str, content: bytes, secrets: Mapping[str, str]) -> list[Leak]:
    """Return which of the secrets, given by their names, stand in some content, also where it is compressed."""
    found = [
        Leak(name, how, place)
        for name, secret in secrets.items()
        for how, spelt in spellings(secret).items()
        if spelt in content
    ]
    for inflated in _inflated(content):
        found += leaks(f"{place}, inflated", inflated, secrets)
    return found


def _inflated(content: bytes) -> Iterator[bytes]:
    for head in _ZLIB_HEADS:
        at = content.find(head)
        while at >= 0:
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj().decompress(content[at : at + _MOST_COMPRESSED])
            at = content.find(head, at + 1)


async def everything_in(redis: Any) -> dict[str, bytes]:
    """Return everything that a database of Redis holds by key, as it is: a dump of Redis' own would be compressed."""
    return {str(name): b"\n".join([name, *await _parts(redis, name)]) async for name in redis.scan_iter("*")}


async def _parts(redis: Any, name: bytes) -> Iterable[bytes]:
    kind = (await redis.type(name)).decode()
    if kind == "none":
        return []
    # A type that nobody has thought of is a KeyError.
    held: Any = await {
        "string": lambda: redis.get(name),
        "hash": lambda: redis.hgetall(name),
        "list": lambda: redis.lrange(name, 0, -1),
        "set": lambda: redis.smembers(name),
        "zset": lambda: redis.zrange(name, 0, -1),
        "stream": lambda: redis.xrange(name),
    }[kind]()
    return _flat(held)


def _flat(held: Any) -> list[bytes]:
    """Return the texts of an answer of Redis, however deep they lie; what expired meanwhile is None."""
    match held:
        case bytes():
            return [held]
        case dict():
            return [part for pair in held.items() for part in _flat(pair)]
        case list() | tuple() | set():
            return [part for one in held for part in _flat(one)]
    return []


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder: logs, and all that Redis has ever written."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
