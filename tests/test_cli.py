"""The command line, as the processes that users start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from app.dev.embedded_redis import free_port
from app.resources import Resources
from app.store.api_keys import Admitted
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OLD_SECRET = "whsec_bmV2ZXIgdXNlZCBidXQgaW4gdGhpcyB0ZXN0"
_COMMAND = [sys.executable, "-m", "app.cli"]
_NO_REDIS = {"RINGBACK_REDIS_URL": "redis://127.0.0.1:1/0", "RINGBACK_ENCRYPTION_KEYS": ENCRYPTION_KEY}
_TENANT = ("tenants", "create", "--name", "CRM", "--account-id", "acc-1", "--project-id", "proj-1")


def _ringback(*words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own command
        [*_COMMAND, *words],
        check=False,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=40,
    )


@contextmanager
def _running(*words: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 -- our own command
        [*_COMMAND, *words], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[str], url: str) -> httpx.Response:
    """Return the first successful answer."""
    deadline = time.monotonic() + 40
    with httpx.Client(trust_env=False) as client:
        while True:
            assert process.poll() is None, "it ended before it answered"
            assert time.monotonic() < deadline, "it did not answer in time"
            try:
                answer = client.get(url)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.is_success:
                return answer
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "env", "told"),
    [
        (("api",), {}, "RINGBACK_ADMIN_KEY is missing"),
        (("api",), {"RINGBACK_PARTITIONS": "many"}, "RINGBACK_PARTITIONS is impossible"),
        (("worker", "poll"), {}, "RINGBACK_UPSTREAM_BASE_URL is missing"),
        (("worker", "deliver"), {}, "RINGBACK_ENCRYPTION_KEYS is missing"),
        (("dev",), {"RINGBACK_LOG_LEVEL": "loud"}, "RINGBACK_LOG_LEVEL is impossible"),
        (("dev",), {"RINGBACK_UPSTREAM_BASE_URL": "http://127.0.0.1:1"}, "RINGBACK_DEV_ACCOUNT_ID"),
        (("simulate", "--error-share", "1.5"), {}, "error_share must be between 0 and 1"),
        (("listen", "--secret", "whsec_short"), {}, "A signing secret"),
        (("listen", "--host", "host.invalid"), {}, "cannot listen on host.invalid port 9001"),
        (_TENANT, _NO_REDIS, "the connector id is missing"),
        ((*_TENANT, "--connector-id", "secret-one"), _NO_REDIS, "Redis does not answer"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    words: tuple[str, ...], env: dict[str, str], told: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = ("--folder", str(tmp_path_factory.mktemp("dev"))) if words == ("dev",) else ()
    outcome = _ringback(*words, *folder, env=env)
    assert outcome.returncode == 1
    assert len(outcome.stderr.splitlines()) == 1, outcome.stderr
    assert outcome.stderr.startswith("ringback: ")
    assert told in outcome.stderr
    assert "secret-one" not in outcome.stderr


@pytest.mark.parametrize("command", ["api", "simulate", "listen"])
def test_a_port_that_is_taken_is_told_in_one_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = _ringback(command, "--port", str(port), env={**_NO_REDIS, "RINGBACK_ADMIN_KEY": ADMIN_KEY})
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [f"ringback: cannot listen on 127.0.0.1 port {port}: Address already in use."]


def test_help_needs_nothing_of_the_service() -> None:
    script = (
        "import sys; from app.cli import main; main(['--help'], standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('arq', 'fastapi', 'redis', 'rich', 'uvicorn')))"
    )
    command = [sys.executable, "-c", script]
    assert "tenants" in subprocess.run(command, check=True, capture_output=True, text=True, timeout=40).stdout  # noqa: S603 -- a script of this file


def test_without_the_development_extra_it_is_said_what_to_install() -> None:
    script = "import sys; sys.modules['rich'] = None; from app.cli import main; main(['dev'])"
    command = [sys.executable, "-c", script]
    outcome = subprocess.run(command, check=False, capture_output=True, text=True, timeout=40)  # noqa: S603 -- a script of this file
    assert outcome.returncode == 1
    assert outcome.stderr == "ringback: rich is not installed: pip install 'ringback[embedded]'.\n"


def test_the_version_is_told() -> None:
    assert _ringback("--version").stdout.startswith("ringback 0.")


@pytest.mark.parametrize("given", ["environment", "standard input"])
async def test_a_new_tenant_is_shown_once_and_its_key_works(given: str, resources: Resources) -> None:
    env = {**_NO_REDIS, "RINGBACK_REDIS_URL": resources.settings.redis_url, "RINGBACK_PARTITIONS": "4"}
    if given == "environment":
        outcome = _ringback(*_TENANT, env={**env, "RINGBACK_CONNECTOR_ID": "connector-1"})
    else:
        outcome = _ringback(*_TENANT, "--connector-id", "-", env=env, stdin="connector-1\n")
    created = json.loads(outcome.stdout)
    assert list(created) == ["id", "name", "api_key", "signing_secret"]
    assert "connector-1" not in outcome.stdout + outcome.stderr
    admitted = await resources.api_keys.authenticate(created["api_key"])
    assert isinstance(admitted, Admitted)
    tenant = admitted.tenant
    assert (tenant.id, tenant.name, tenant.connector_id) == (created["id"], "CRM", "connector-1")
    assert [one.secret for one in tenant.signing_secrets] == [created["signing_secret"]]


def test_a_tenant_that_upstream_could_not_have_is_refused(redis_url: str) -> None:
    env = {**_NO_REDIS, "RINGBACK_REDIS_URL": redis_url, "RINGBACK_CONNECTOR_ID": "with a space"}
    outcome = _ringback(*_TENANT, env=env)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("ringback: ")
    assert "connector_id" in outcome.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("kind", ["poll", "deliver"])
def test_a_worker_ends_well_on_sigterm(kind: str, redis_url: str) -> None:
    port = free_port()
    env = {
        **_NO_REDIS,
        "RINGBACK_REDIS_URL": redis_url,
        "RINGBACK_UPSTREAM_BASE_URL": "http://127.0.0.1:1",
        "RINGBACK_WORKER_HOST": "127.0.0.1",
        "RINGBACK_WORKER_PORT": str(port),
    }
    with _running("worker", kind, env=env) as process:
        _wait_for(process, f"http://127.0.0.1:{port}/readyz")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=40)
    assert process.returncode == 0
    # In our own format, which is JSON where there is no terminal.
    assert [json.loads(line)["event"] for line in output.splitlines()][-1] == "worker stopped"


@pytest.mark.e2e
@pytest.mark.parametrize("last_signal", [signal.SIGINT, signal.SIGTERM])
def test_the_api_serves_and_ends_well(redis_url: str, last_signal: signal.Signals) -> None:
    port = free_port()
    env = {**_NO_REDIS, "RINGBACK_REDIS_URL": redis_url, "RINGBACK_ADMIN_KEY": ADMIN_KEY}
    with _running("api", env={**env, "RINGBACK_BIND_PORT": str(port)}) as process:
        assert _wait_for(process, f"http://127.0.0.1:{port}/readyz").json() == {"status": "ok"}
        process.send_signal(last_signal)
        assert process.wait(40) == 0


@pytest.mark.e2e
def test_the_listener_takes_its_secrets_from_the_environment_and_fails_as_often_as_told() -> None:
    port = free_port()
    words = ("listen", "--port", str(port), "--status", "503", "--first", "1")
    now = datetime.now(UTC)
    body = '{"type": "call.ringing", "data": {"sequence": 3, "call_sid": "OUT-1"}}'
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(_SECRET).sign("evt_1", now, body),
    }
    with _running(*words, env={"RINGBACK_LISTEN_SECRET": f"{_OLD_SECRET} {_SECRET}"}) as process:
        assert process.stdout is not None
        assert "verifies signatures" in process.stdout.readline()
        url = f"http://127.0.0.1:{port}/hook"
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            codes = [client.post(url, content=body, headers=headers).status_code for _ in range(2)]
        process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
        assert process.wait(40) == 0
    assert codes == [503, 204]
    assert [line.split()[-4:] for line in lines] == [
        ["verified", "answered", "503", "evt_1"],
        ["call.ringing", "verified", "again", "evt_1"],
    ]


@pytest.mark.e2e
def test_the_simulator_tells_how_to_trigger_a_call() -> None:
    port = free_port()
    with _running("simulate", "--port", str(port), env={}) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        hint = process.stdout.readline().split()
        _wait_for(process, f"http://127.0.0.1:{port}/simulator/polls")
        trigger_url = next(word for word in hint if word.startswith("http"))
        answer = httpx.post(trigger_url, headers={"X-CONNECTOR-ID": hint[-1].strip("'")}, trust_env=False)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    assert answer.status_code == 201
