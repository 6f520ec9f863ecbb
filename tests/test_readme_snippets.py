"""The README's three ways to verify a signature do so, as they stand there."""

import asyncio
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from app.domain.signing import secret_from_bytes, signed_headers
from tests.processes import ROOT

_SECTION = (ROOT / "README.md").read_text().partition("## Verify a signature\n")[2].partition("\n## ")[0]
SNIPPETS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", _SECTION, re.MULTILINE | re.DOTALL))
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SECRET = secret_from_bytes(KEY)
BODY = json.dumps({"type": "call.queued", "data": {"metadata": {"name": "Zoë ☎"}}}, ensure_ascii=False)
_CASES = """
const cases = JSON.parse(readFileSync(0, "utf8"));
const told = cases.map(({ signingSecret, requestHeaders, requestBody }) => {
  try { return verify(signingSecret, requestHeaders, requestBody).type === "call.queued"; } catch { return false; }
});
console.log(JSON.stringify(told));
"""
_PHP_CASES = """
$told = array_map(
    fn ($one) => verify($one['signingSecret'], $one['requestHeaders'], $one['requestBody']),
    json_decode(stream_get_contents(STDIN), true)
);
echo json_encode($told);
"""


def cases() -> tuple[list[dict[str, Any]], list[bool]]:
    """Return deliveries, and for each whether it is genuine."""
    now, body = int(time.time()), BODY.encode()
    genuine = signed_headers([KEY], "evt_1", now, body)
    told = [
        (genuine, BODY, True),
        (signed_headers([OTHER_KEY, KEY], "evt_1", now, body), BODY, True),
        (signed_headers([OTHER_KEY], "evt_1", now, body), BODY, False),
        (signed_headers([KEY], "evt_1", now - 310, body), BODY, False),
        (genuine, BODY + " ", False),
        (genuine | {"webhook-id": "evt_2"}, BODY, False),
    ]
    deliveries = [{"signingSecret": SECRET, "requestHeaders": one, "requestBody": text} for one, text, _ in told]
    return deliveries, [verdict for *_, verdict in told]


def test_there_are_three() -> None:
    assert list(SNIPPETS) == ["python", "js", "php"]


def test_the_one_in_python() -> None:
    deliveries, expected = cases()
    assert [_verified_in_python(one) for one in deliveries] == expected


def _verified_in_python(delivery: dict[str, Any]) -> bool:
    names = {
        "signing_secret": delivery["signingSecret"],
        "request_headers": delivery["requestHeaders"],
        "request_body": delivery["requestBody"],
    }
    try:
        exec(SNIPPETS["python"], names)  # noqa: S102 -- the text that a reader would copy
    except standardwebhooks.WebhookVerificationError:
        return False
    return bool(names["event"]["type"] == "call.queued")


@pytest.mark.skipif(shutil.which("php") is None, reason="needs php")
async def test_the_one_in_php(tmp_path: Path) -> None:
    deliveries, expected = cases()
    (tmp_path / "verify.php").write_text(f"<?php\n{SNIPPETS['php']}{_PHP_CASES}")
    assert await judged(tmp_path, deliveries, "php", "verify.php") == expected


@pytest.mark.skipif("TEST_NPM" not in os.environ, reason="needs npm and the network: set TEST_NPM=1")
async def test_the_one_in_node(tmp_path: Path) -> None:
    deliveries, expected = cases()
    await run(tmp_path, "npm", "install", "--no-audit", "--no-fund", "standardwebhooks")
    imported, _, verified = SNIPPETS["js"].partition("\n\n")
    function = f"function verify(signingSecret, requestHeaders, requestBody) {{\n{verified}return event;\n}}\n"
    (tmp_path / "verify.mjs").write_text(f'{imported}\nimport {{ readFileSync }} from "node:fs";\n{function}{_CASES}')
    assert await judged(tmp_path, deliveries, "node", "verify.mjs") == expected


async def judged(folder: Path, deliveries: list[dict[str, Any]], *command: str) -> Any:
    return json.loads(await run(folder, *command, given=json.dumps(deliveries).encode()))


async def run(folder: Path, *command: str, given: bytes = b"") -> bytes:
    """Run a command of the machine's and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(given)
    assert process.returncode == 0
    return said
