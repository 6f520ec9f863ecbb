"""The operator's commands: tenants and their API keys from a shell."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.resources import open_resources
from app.settings import Settings
from app.store.api_keys import Admitted
from tests.builders import ACCOUNT, CONNECTOR, PROJECT
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.store.making import read, register

_UNKNOWN = "ten_1m842cp907q3yc2f95cq"
_NO_QUOTAS = dict.fromkeys(("max_active_subscriptions", "max_subscriptions_per_call", "requests_per_second"))

Ringback = Callable[..., Result]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def ringback(redis_url: str) -> Ringback:
    """Run a command on the test's Redis; its standard input is no terminal."""
    env = {
        "RINGBACK_REDIS_URL": redis_url,
        "RINGBACK_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "RINGBACK_PARTITIONS": "4",
    }

    def run(*words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, words, env=env, input=stdin)

    return run


def _said(outcome: Result) -> Any:
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout)


def _create(ringback: Ringback, *words: str, name: str = "CRM") -> dict[str, str]:
    options = ("--name", name, "--account-id", ACCOUNT, "--project-id", PROJECT, "--connector-id", "-")
    made: dict[str, str] = _said(ringback("tenants", "create", *options, *words, stdin=f"{CONNECTOR}\n"))
    return made


def _opens(settings: Settings, api_key: str) -> bool:
    async def ask() -> bool:
        async with open_resources(settings) as resources:
            return isinstance(await resources.api_keys.authenticate(api_key), Admitted)

    return asyncio.run(ask())


def test_a_tenant_is_listed_and_shown_without_its_secrets(ringback: Ringback) -> None:
    first, second = _create(ringback), _create(ringback, "--requests-per-second", "50", name="Zürich")

    listed = ringback("tenants", "list")
    shown = ringback("tenants", "show", second["id"])

    assert [one["id"] for one in _said(listed)] == sorted([first["id"], second["id"]])
    assert _said(shown) in _said(listed)
    assert (_said(shown)["name"], _said(shown)["quotas"]) == ("Zürich", {**_NO_QUOTAS, "requests_per_second": 50})
    for hidden in (CONNECTOR, second["api_key"], second["signing_secret"]):
        assert hidden not in listed.output + shown.output


def test_what_is_not_named_in_an_update_stays_as_it_is(ringback: Ringback) -> None:
    made = _create(ringback, "--max-active-subscriptions", "7", "--max-subscriptions-per-call", "2")
    before = _said(ringback("tenants", "show", made["id"]))

    renamed = _said(ringback("tenants", "update", made["id"], "--name", " Other "))
    bounded = _said(
        ringback("tenants", "update", made["id"], "--max-active-subscriptions", "none", "--requests-per-second", "9")
    )

    assert renamed == {**before, "name": "Other"}
    quotas = {"max_active_subscriptions": None, "max_subscriptions_per_call": 2, "requests_per_second": 9}
    assert bounded == {**renamed, "quotas": quotas}
    assert _said(ringback("tenants", "show", made["id"])) == bounded


def test_a_new_connector_can_be_piped_in(ringback: Ringback, settings: Settings) -> None:
    made = _create(ringback)

    outcome = ringback("tenants", "update", made["id"], "--connector-id", "-", stdin="connector-2\n")

    assert outcome.exit_code == 0
    assert "connector-2" not in outcome.output

    async def connector() -> str:
        async with open_resources(settings) as resources:
            return (await resources.service.tenants.get(made["id"])).connector_id

    assert asyncio.run(connector()) == "connector-2"


def test_a_deleted_tenant_is_gone_and_its_subscriptions_are_cancelled(ringback: Ringback, settings: Settings) -> None:
    made = _create(ringback)

    async def subscribe() -> str:
        async with open_resources(settings) as resources:
            return (await register(resources, tenant_id=made["id"])).id

    async def status(subscription_id: str) -> str:
        async with open_resources(settings) as resources:
            return (await read(resources, subscription_id)).status

    subscription_id = asyncio.run(subscribe())

    assert ringback("tenants", "delete", made["id"], "--yes").exit_code == 0

    assert _said(ringback("tenants", "list")) == []
    assert not _opens(settings, made["api_key"])
    assert asyncio.run(status(subscription_id)) == "cancelled"


def test_keys_are_made_listed_and_revoked(ringback: Ringback, settings: Settings) -> None:
    made = _create(ringback)

    new = _said(ringback("keys", "create", made["id"], "--name", "CRM, 2027"))

    assert _opens(settings, new["api_key"])
    listed = ringback("keys", "list", made["id"])
    assert {one["name"] for one in _said(listed)} == {"default", "CRM, 2027"}
    assert new["api_key"] not in listed.output
    assert ringback("keys", "revoke", made["id"], new["id"]).exit_code == 0
    assert not _opens(settings, new["api_key"])
    assert _opens(settings, made["api_key"])
    assert [one["name"] for one in _said(ringback("keys", "list", made["id"]))] == ["default"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tenants", "show", _UNKNOWN), "There is no such tenant."),
        (("tenants", "show", "nonsense"), "There is no such tenant."),
        (("tenants", "update", _UNKNOWN, "--name", "CRM"), "There is no such tenant."),
        (("tenants", "update", _UNKNOWN), "nothing to change was named: see ringback tenants update --help."),
        (("tenants", "update", _UNKNOWN, "--name", " "), "--name: string should have at least 1 character."),
        (("tenants", "update", _UNKNOWN, "--account-id", "a b"), "account_id"),
        (("tenants", "update", _UNKNOWN, "--requests-per-second", "9" * 9), "--requests-per-second: input should be"),
        (("tenants", "delete", _UNKNOWN), "a deletion cannot be undone: say --yes."),
        (("tenants", "delete", _UNKNOWN, "--yes"), "There is no such tenant."),
        (("keys", "create", _UNKNOWN), "There is no such tenant."),
        (("keys", "create", _UNKNOWN, "--name", "x" * 101), "--name: string should have at most 100 characters."),
        (("keys", "list", _UNKNOWN), "There is no such tenant."),
        (("keys", "revoke", _UNKNOWN, "key_1"), "There is no such API key."),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(ringback: Ringback, words: tuple[str, ...], told: str) -> None:
    outcome = ringback(*words)

    assert outcome.exit_code == 1
    [line] = outcome.output.splitlines()
    assert line.startswith("ringback: ")
    assert told in line


@pytest.mark.parametrize("bound", ["0", "-1", "1.5", "many", ""])
def test_a_bound_is_a_number_from_one_or_none(ringback: Ringback, bound: str) -> None:
    outcome = ringback("tenants", "update", _UNKNOWN, "--requests-per-second", bound)

    assert outcome.exit_code == 2
    assert "is neither a number from 1 nor 'none'" in outcome.output
