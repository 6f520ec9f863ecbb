"""Late subscribers, choosy subscribers, and subscribers who verify with other people's libraries."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks

from tests.builders import LIFE
from tests.e2e.stack import Stack, data_of, new_path, new_sid, types_of
from tests.judge import Subscriber

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("crowd")]

TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]
QUICK_LIFE = [(0.0, "CREATED"), (0.1, "queued"), (0.2, "ringing"), (0.4, "in-progress"), (0.6, "completed")]


async def test_a_late_subscriber_gets_everything_from_the_beginning(shared: Stack) -> None:
    sid = new_sid()
    early, midway, late = new_path(), new_path(), new_path()
    shared.tell(sid, LIFE[:3])
    await shared.subscribe(sid, early)
    await shared.receiver.until_at(early, 3)
    await shared.subscribe(sid, midway)
    assert types_of(await shared.receiver.until_at(midway, 3)) == TYPES[:3]
    shared.tell(sid, LIFE)
    for path in (early, midway):
        assert types_of(await shared.receiver.until_at(path, 5)) == TYPES

    polls = shared.upstream.polls[sid]
    subscription = await shared.subscribe(sid, late)

    receipts = await shared.receiver.until_at(late, 5)
    assert types_of(receipts) == TYPES
    assert [data_of(one)["sequence"] for one in receipts] == [1, 2, 3, 4, 5]
    assert [one.headers["webhook-id"] for one in receipts] == [
        one.headers["webhook-id"] for one in shared.receiver.at(early)
    ]
    assert subscription["status"] == "completed"
    assert shared.upstream.polls[sid] == polls


async def test_each_gets_only_what_it_asked_for(shared: Stack) -> None:
    (sid,) = await shared.place(1, QUICK_LIFE)
    wishes: dict[str, tuple[list[str], frozenset[str]]] = {
        new_path(): (["final"], frozenset({"call.completed"})),
        new_path(): (["call.ringing", "call.queued"], frozenset({"call.ringing", "call.queued"})),
        new_path(): (["call.ringing", "final"], frozenset({"call.ringing", "call.completed"})),
        new_path(): (["call.*"], frozenset(TYPES)),
        new_path(): (["call.busy"], frozenset()),
    }
    for path, (events, _) in wishes.items():
        await shared.subscribe(sid, path, events)
    everything = new_path()
    await shared.subscribe(sid, everything)

    for path, (_, types) in wishes.items():
        await shared.receiver.until_at(path, len(types))
    await shared.receiver.until_at(everything, 5)

    subscribers = [Subscriber(path, sid, types) for path, (_, types) in wishes.items()]
    assert (await shared.judge([*subscribers, Subscriber(everything, sid)])).faults() == []


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
async def test_a_delivery_is_verified_by_other_peoples_libraries_as_it_came(
    shared: Stack, library: Callable[[str], Any]
) -> None:
    sid, path = new_sid(), new_path()
    shared.tell(sid, LIFE[:1])
    await shared.subscribe(sid, path, metadata={"name": "Zoë ☎", "path": "a/b"})
    (receipt,) = await shared.receiver.until_at(path, 1)
    webhook = library(shared.signing_secret)

    webhook.verify(receipt.body, dict(receipt.headers))

    assert data_of(receipt)["metadata"] == {"name": "Zoë ☎", "path": "a/b"}
    with pytest.raises((standardwebhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError)):
        webhook.verify(receipt.body + b" ", dict(receipt.headers))
    shared.tell(sid, LIFE)


_VERIFY_JS = """
const { Webhook } = require("standardwebhooks");
const { headers, body, secret } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const webhook = new Webhook(secret);
console.log(webhook.verify(body, headers).type);
try { webhook.verify(body + " ", headers); } catch (error) { console.log(error.constructor.name); }
"""


@pytest.mark.skipif("TEST_NPM" not in os.environ, reason="needs npm and the network: set TEST_NPM=1")
async def test_a_delivery_is_verified_by_the_npm_package_as_it_came(shared: Stack, tmp_path: Path) -> None:
    await run(tmp_path, "npm", "install", "--no-audit", "--no-fund", "standardwebhooks")
    (tmp_path / "verify.js").write_text(_VERIFY_JS)
    sid, path = new_sid(), new_path()
    shared.tell(sid, LIFE[:1])
    await shared.subscribe(sid, path, metadata={"name": "Zoë ☎"})
    (receipt,) = await shared.receiver.until_at(path, 1)
    received = {"headers": receipt.headers, "body": receipt.body.decode(), "secret": shared.signing_secret}

    said = await run(tmp_path, "node", "verify.js", given=json.dumps(received).encode())

    assert said.decode().split() == ["call.created", "WebhookVerificationError"]
    shared.tell(sid, LIFE)


async def run(folder: Path, *command: str, given: bytes = b"") -> bytes:
    """Run a command of the machine's and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(given)
    assert process.returncode == 0
    return said
