"""compose.yaml gives each process what it needs, and asks the operator for what it cannot know."""

import os
import subprocess
import sys
from typing import Any

import click
import pytest

from app.cli import main
from app.cli.settings import variable
from app.settings import PREFIX, Settings
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.image.build_and_run import GRACE_SECONDS
from tests.image.compose import MissingVariable, example, handed_on, seconds, services, variables
from tests.image.dockerfile import read_dockerfile
from tests.processes import ROOT
from workers import deliver, poll
from workers.runtime import grace_seconds

_ENV = {
    "RINGBACK_ADMIN_KEY": ADMIN_KEY,
    "RINGBACK_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    "RINGBACK_UPSTREAM_BASE_URL": "https://api.example.com",
}
_ROLES = ("api", "poll", "deliver")
_OURS = (*_ROLES, "platform", "receiver")
# Their defaults are what the ports and the health checks in the file go by.
# What OpenTelemetry reads by itself.
_READ_BY_OTHERS = {
    "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
}  # fmt: skip
_FIXED = {"RINGBACK_WORKER_HOST", "RINGBACK_WORKER_PORT"}


@pytest.fixture(scope="module")
def running() -> dict[str, Any]:
    return services(_ENV)


@pytest.mark.parametrize("role", _ROLES)
def test_each_role_has_every_setting_that_it_requires(role: str, running: dict[str, Any]) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    loading = f"from app.settings import load_settings; load_settings({role!r})"
    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-c", loading],
        check=False,
        capture_output=True,
        text=True,
        env=plain | running[role]["environment"],
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("role", _ROLES)
def test_every_setting_can_be_chosen_in_the_env_file(role: str) -> None:
    settings = {variable(*field) for field in Settings.model_fields.items()} - _FIXED
    wanted = settings if role == "api" else settings - {"RINGBACK_ADMIN_KEY"}
    assert handed_on()[role] == wanted | _READ_BY_OTHERS


@pytest.mark.parametrize("name", _ENV)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(MissingVariable, match=f"{name} is missing in .env"):
        services(_ENV | {name: ""})


def test_the_example_asks_for_what_is_required_and_offers_what_exists() -> None:
    asked, offered = example()
    assert asked == {name for name, required in variables().items() if required} == set(_ENV)
    assert offered <= variables().keys() | set().union(*handed_on().values())


@pytest.mark.parametrize("name", _OURS)
def test_the_commands_exist_and_take_their_options(name: str, running: dict[str, Any]) -> None:
    service = running[name]
    words = [service["command"]]
    if name in _ROLES:
        executed, binary, *asking = service["healthcheck"]["test"]
        assert (executed, binary) == ("CMD", "ringback")
        words.append(asking)
    else:
        assert service["healthcheck"] == {"disable": True}
    for first, *rest in words:
        command = main.commands[first]
        assert isinstance(command.make_context(first, list(rest)), click.Context)


def test_each_role_is_given_its_whole_grace(running: dict[str, Any]) -> None:
    assert {role: seconds(running[role]["stop_grace_period"]) for role in _ROLES} == GRACE_SECONDS
    for kind in (poll.KIND, deliver.KIND):
        assert grace_seconds(kind, Settings()) < GRACE_SECONDS[kind.name]


def test_all_containers_are_shut_in(running: dict[str, Any]) -> None:
    for service in running.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"


def test_nothing_is_published_beyond_this_machine_unless_that_is_asked_for(running: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in running.items() if "ports" in service}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert ports["api"] == ["127.0.0.1:8000:8000"]
    assert "redis" not in ports
    assert services(_ENV | {"PUBLISH_ADDRESS": "192.0.2.1", "PUBLISH_PORT": "80"})["api"]["ports"] == [
        "192.0.2.1:80:8000"
    ]


def test_redis_keeps_what_it_acknowledged_and_drops_nothing(running: dict[str, Any]) -> None:
    words = running["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options == {
        "--appendonly": "yes",
        "--appendfsync": "always",
        "--maxmemory": "512mb",
        "--maxmemory-policy": "noeviction",
        "--save": "",
    }
    assert running["redis"]["volumes"] == ["ledger:/data"]
    assert running["redis"]["networks"] == ["inside"]
    for role in _ROLES:
        assert running[role]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_by_default_only_what_is_needed_is_started(running: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in running.items()}
    assert profiles == {
        **dict.fromkeys((*_ROLES, "redis")),
        "prometheus": ["monitoring"],
        "platform": ["simulator"],
        "receiver": ["simulator"],
    }


def test_the_image_is_built_from_the_dockerfile_and_named_by_its_version(running: dict[str, Any]) -> None:
    version = next(one.rest for one in read_dockerfile().stages[-1].all("ARG")).removeprefix("VERSION=")
    for name in _OURS:
        assert running[name]["image"] == f"ringback:{version}"
        assert running[name]["build"] == {"context": ".."}
