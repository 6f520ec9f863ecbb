"""`ringback secrets reencrypt`, as the process that an operator starts."""

import base64
import json
import os
import subprocess
import sys

import pytest

from app.domain.signing import secret_from_bytes
from app.resources import Resources, open_resources
from tests.builders import CONNECTOR, make_key
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.store.making import read, register

NEW_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
OWN_SECRET = secret_from_bytes(b"the-subscriptions-own-secret-32b")


def _reencrypt(resources: Resources, *keys: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "RINGBACK_REDIS_URL": resources.settings.redis_url,
        "RINGBACK_PARTITIONS": str(resources.settings.partitions),
        "RINGBACK_ENCRYPTION_KEYS": ",".join(keys),
    }
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "secrets", "reencrypt"],
        check=False,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=40,
    )


async def test_afterwards_the_old_key_can_be_dropped(resources: Resources, make_settings: MakeSettings) -> None:
    made = await register(resources, secret=OWN_SECRET)

    first, second = (_reencrypt(resources, NEW_KEY, ENCRYPTION_KEY) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert json.loads(first.stdout) == {"reencrypted": 2, "unchanged": 0, "unreadable": []}
    assert json.loads(second.stdout) == {"reencrypted": 0, "unchanged": 2, "unreadable": []}
    assert _reencrypt(resources, NEW_KEY).returncode == 0
    async with open_resources(make_settings(encryption_keys=NEW_KEY)) as alone:
        assert (await read(alone, made.id)).destination.secret == OWN_SECRET
        kept = await alone.watches.read(made.partition, make_key().watch_id)
        assert kept is not None
        assert kept.watch.key.connector_id == CONNECTOR


async def test_what_no_key_opens_is_named_and_the_exit_code_says_so(resources: Resources) -> None:
    made = await register(resources, secret=OWN_SECRET)

    outcome = _reencrypt(resources, NEW_KEY)

    assert outcome.returncode == 1
    assert f"secret or headers of subscription {made.id}" in outcome.stdout
    assert "RINGBACK_ENCRYPTION_KEYS" in outcome.stdout
    assert outcome.stderr.startswith("ringback: 2 could not be read")
    assert len(outcome.stderr.splitlines()) == 1
    for hidden in (OWN_SECRET, CONNECTOR, NEW_KEY):
        assert hidden not in outcome.stdout + outcome.stderr
    assert (await read(resources, made.id)).destination.secret == OWN_SECRET


@pytest.mark.parametrize("keys", [("nonsense",), ()])
async def test_without_keys_nothing_is_touched(resources: Resources, keys: tuple[str, ...]) -> None:
    outcome = _reencrypt(resources, *keys)
    assert outcome.returncode == 1
    assert "RINGBACK_ENCRYPTION_KEYS" in outcome.stderr
