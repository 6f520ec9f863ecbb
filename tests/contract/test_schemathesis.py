"""Whatever a client sends, the running API answers as its document says, and never with a 5xx."""

from pathlib import Path

import pytest

from tests.contract.tools import run_tool
from tests.e2e.stack import ACCOUNT, CONNECTOR, PROJECT, Stack

# For examples, every edge of every schema, fuzzing and sequences of requests together. A run ends when it is spent.
TENANT_SECONDS = 90
ADMIN_SECONDS = 45
# What is looked up before the tool begins, and a last request that has to end.
MARGIN_SECONDS = 60

LIFE = [(0.0, "CREATED"), (0.1, "ringing"), (0.2, "in-progress"), (0.3, "completed")]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
ADMINS = "^/v1/admin"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _check(stack: Stack, key: str, folder: Path, seconds: int, *routes: str) -> None:
    """Run all checks with a key; what they find is told, and fails."""
    [sid] = await stack.place(1, LIFE)
    await stack.until_over(await stack.subscribe_all([sid], each=1))
    said = await run_tool(
        "schemathesis",
        *("--config-file", str(_configuration(folder, sid)), "--no-color"),
        *("run", str(stack.api.base_url.join("/openapi.json"))),
        *("--header", f"Authorization: {key}", "--max-time", str(seconds), *routes),
        folder=folder,
    )
    print(said)  # noqa: T201 -- `make contract` shows it


def _configuration(folder: Path, call_sid: str) -> Path:
    """Write the configuration with the names of a followed call; its own variables do not reach everywhere."""
    known = {"CALL_SID": call_sid, "ACCOUNT": ACCOUNT, "PROJECT": PROJECT, "CONNECTOR": CONNECTOR}
    text = CONFIGURATION.read_text()
    for name, value in known.items():
        text = text.replace(f"<{name}>", value)
    written = folder / CONFIGURATION.name
    written.write_text(text)
    return written


@pytest.mark.timeout(TENANT_SECONDS + MARGIN_SECONDS)
async def test_everything_but_the_operators_routes(stack: Stack, tmp_path: Path) -> None:
    key = stack.api.headers["authorization"]
    await _check(stack, key, tmp_path, TENANT_SECONDS, "--exclude-path-regex", ADMINS)


@pytest.mark.timeout(ADMIN_SECONDS + MARGIN_SECONDS)
async def test_the_operators_routes(stack: Stack, tmp_path: Path) -> None:
    """They come last: among what is deleted is the tenant that others work with."""
    key = stack.admin.headers["authorization"]
    await _check(stack, key, tmp_path, ADMIN_SECONDS, "--include-path-regex", ADMINS)
