"""The search for secrets finds what is planted."""

import base64
import json
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.signing import secret_from_bytes
from app.resources import Resources
from app.store import codec
from tests.leaks import everything_in, files_in, leaks

SECRET = "a connector/that nobody may see+ever?"
SIGNING = secret_from_bytes(bytes(range(100, 132)))
SECRETS = {"connector": SECRET, "signing": SIGNING}


@pytest.mark.parametrize(
    "planted",
    [
        SECRET.encode(),
        quote(SECRET).encode(),
        quote(SECRET, safe="").encode(),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        base64.b64encode(f"user:{SECRET}".encode()),
        base64.urlsafe_b64encode(f"us:{SECRET} and more".encode()),
        json.dumps({"x": [SECRET]}).encode(),
        zlib.compress(b"before" + SECRET.encode()),
        codec.pack(["x", zlib.compress(SECRET.encode())]),
        SECRET[:20].encode(),
        SECRET[-20:].encode(),
    ],
)
def test_it_is_found_however_it_is_spelt(planted: bytes) -> None:
    found = leaks("here", b"\x00around it " + planted + b" and behind", SECRETS)
    assert {one.name for one in found} == {"connector"}
    assert leaks("here", b"nothing of the kind", SECRETS) == []


@pytest.mark.parametrize("planted", [SIGNING, SIGNING.removeprefix("whsec_"), bytes(range(100, 132)).hex()])
def test_a_signing_secret_is_found_as_its_key_too(planted: str) -> None:
    assert {one.name for one in leaks("here", planted.encode(), SECRETS)} == {"signing"}
    assert {one.name for one in leaks("here", b"\x01" + bytes(range(100, 132)), SECRETS)} == {"signing"}


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_it_is_found_in_base64_wherever_it_begins(before: bytes, behind: bytes) -> None:
    assert leaks("here", base64.b64encode(before + SECRET.encode() + behind), SECRETS)


async def test_every_type_of_redis_is_looked_into(resources: Resources) -> None:
    redis, planted = resources.ledger.redis, SECRET.encode()
    await redis.set("string", planted)
    await redis.set(b"name " + planted, "")
    await redis.hset("hash value", "x", planted)
    await redis.hset("hash field", planted, "x")
    await redis.rpush("list", "x", planted)
    await redis.sadd("set", planted)
    await redis.zadd("zset", {planted: 1})
    await redis.xadd("stream", {"x": planted})
    await redis.set("clean", "x" * 1000)

    everything = await everything_in(redis)

    assert "b'clean'" in everything
    found = {name for name, content in everything.items() if leaks(name, content, SECRETS)}
    assert len(found) == 8
    assert "b'clean'" not in found


def test_every_file_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "api.log").write_text(f'{{"event": "x", "key": "{SIGNING}"}}')
    (tmp_path / "clean.log").write_text("nothing")

    found = [one for name, content in files_in(tmp_path).items() for one in leaks(name, content, SECRETS)]

    assert {(one.name, one.place) for one in found} == {("signing", "deep/down/api.log")}
