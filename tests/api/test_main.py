"""The process: its settings, and what the operator sees of it."""

import os
import subprocess
import sys

import httpx
import pytest

from app import main
from tests.api.client import Headers, subscribe
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY

_SHOW = "from app.main import app; from app import main; print(app.title, app is main.app)"


def _python(**environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RINGBACK_")}
    return subprocess.run(  # noqa: S603 -- our own interpreter and program
        [sys.executable, "-c", _SHOW], env=clean | environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_application_is_made_of_the_environment_when_it_is_asked_for() -> None:
    done = _python(RINGBACK_ADMIN_KEY=ADMIN_KEY, RINGBACK_ENCRYPTION_KEYS=ENCRYPTION_KEY)

    assert (done.returncode, done.stdout, done.stderr) == (0, "Ringback True\n", "")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "RINGBACK_ADMIN_KEY"),
        ({"RINGBACK_ADMIN_KEY": ADMIN_KEY}, "RINGBACK_ENCRYPTION_KEYS"),
        ({"RINGBACK_ADMIN_KEY": ADMIN_KEY, "RINGBACK_ENCRYPTION_KEYS": "short"}, "RINGBACK_ENCRYPTION_KEYS"),
        ({"RINGBACK_PARTITIONS": "0"}, "RINGBACK_PARTITIONS"),
    ],
)
def test_a_missing_or_impossible_setting_ends_the_process_with_one_line(environment: dict[str, str], name: str) -> None:
    done = _python(**environment)

    assert done.returncode == 1
    assert name in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert ADMIN_KEY not in done.stderr


def test_nothing_else_is_made_up() -> None:
    with pytest.raises(AttributeError, match="application"):
        main.application  # noqa: B018 -- asking is the test


async def test_metrics_are_prometheus_text(api: httpx.AsyncClient, tenant: Headers) -> None:
    def registrations(text: str) -> float:
        lines = [line for line in text.splitlines() if line.startswith('ringback_registrations_total{created="true"}')]
        return float(lines[0].split()[1]) if lines else 0.0

    before = await api.get("/metrics")
    await subscribe(api, tenant)
    after = await api.get("/metrics")

    assert before.headers["content-type"].startswith("text/plain")
    assert registrations(after.text) == registrations(before.text) + 1
