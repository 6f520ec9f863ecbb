"""Addresses, settings and commands of a run."""

import json
import shlex
import socket
from pathlib import Path

import pytest

from app.dev.embedded_redis import free_port
from app.dev.runner import surroundings
from app.dev.runner.errors import MissingUpstream
from app.dev.runner.home import DemoTenant, Home
from app.dev.runner.surroundings import Upstream
from app.dev.runner.welcome import try_next, welcome
from app.settings import PREFIX, load_settings

_REAL = {
    "RINGBACK_UPSTREAM_BASE_URL": "https://api.example.com/",
    "RINGBACK_DEV_ACCOUNT_ID": "acc-1",
    "RINGBACK_DEV_PROJECT_ID": "proj-1",
    "RINGBACK_DEV_CONNECTOR_ID": "connector-secret",
}
_TENANT = DemoTenant("0123456789abcdef", "rbk_key", "whsec_c2VjcmV0")


def _upstream() -> Upstream:
    found = surroundings.real_upstream(_REAL)
    assert found is not None
    return found


def test_without_an_address_the_upstream_is_simulated() -> None:
    assert surroundings.real_upstream({}) is None
    around = surroundings.choose(None, api_port=free_port(), listener_port=0)
    assert around.upstream.base_url == f"http://127.0.0.1:{around.upstream.simulator_port}"
    assert [plan.name for plan in surroundings.children(around)] == ["simulator", "api", "poll", "deliver"]


def test_with_an_address_there_is_no_simulator() -> None:
    around = surroundings.choose(_upstream(), api_port=free_port(), listener_port=0)
    assert around.upstream.base_url == "https://api.example.com"
    assert [plan.name for plan in surroundings.children(around)] == ["api", "poll", "deliver"]


@pytest.mark.parametrize("missing", [name for name in _REAL if name.startswith("RINGBACK_DEV")])
def test_a_missing_credential_is_named(missing: str) -> None:
    with pytest.raises(MissingUpstream, match=f"but {missing} is missing"):
        surroundings.real_upstream({**_REAL, missing: ""})


def test_the_connector_is_in_no_representation() -> None:
    assert "connector-secret" not in repr(_upstream()) + _upstream().fingerprint


def test_other_credentials_are_another_tenant() -> None:
    other = surroundings.real_upstream({**_REAL, "RINGBACK_DEV_CONNECTOR_ID": "connector-new"})
    assert other is not None
    assert other.fingerprint != _upstream().fingerprint


def test_ports_are_those_that_are_wanted_and_all_different() -> None:
    api, listener = free_port(), free_port()
    around = surroundings.choose(None, api_port=api, listener_port=listener)
    assert (around.api_port, around.listener_port) == (api, listener)
    ports = (api, listener, around.poll_port, around.deliver_port, around.upstream.simulator_port)
    assert len(set(ports)) == 5


def test_a_port_that_is_taken_is_left_to_its_owner_and_that_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        around = surroundings.choose(None, api_port=port, listener_port=port)
    assert port not in (around.api_port, around.listener_port)
    assert f"port {port} is taken" in welcome(around, _TENANT, Home(tmp_path), ready_seconds=1)


def test_the_settings_satisfy_every_process(tmp_path: Path) -> None:
    around = surroundings.choose(None, api_port=free_port(), listener_port=0)
    decided = surroundings.settings(Home(tmp_path).load(), around, "redis://127.0.0.1:6379/0")
    values = {name.removeprefix(PREFIX).lower(): value for name, value in decided.items()}
    for role in ("api", "poll", "deliver"):
        settings = load_settings(role, **values)
        assert settings.queue_url == "redis://127.0.0.1:6379/0"
        assert settings.allow_private_callbacks
        assert settings.callback_ports == ("*",)


def test_with_the_real_upstream_the_command_waits_for_a_sid_and_tells_no_credential() -> None:
    around = surroundings.choose(_upstream(), api_port=free_port(), listener_port=0)
    command = try_next(around, _TENANT)
    words = shlex.split(command)
    assert json.loads(words[-1]) == {"call_sid": "OUT-…", "callback_url": around.callback_url}
    assert "connector-secret" not in command
