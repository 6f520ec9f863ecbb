"""The file that the ConfigMap is made of says what the code says."""

import pytest

from app.cli.settings import as_environment_file, is_secret, variable
from app.settings import Settings
from tests.deploy.reading import config_of
from tests.deploy.rendering import BASE, KUBERNETES, documents_of

FILE = KUBERNETES / "base" / "settings.env"


def test_the_file_is_what_the_command_prints() -> None:
    """When this fails: `ringback settings > deploy/kubernetes/base/settings.env`."""
    assert FILE.read_text() == as_environment_file(Settings)


def test_what_the_file_says_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    told = config_of(documents_of(BASE), "ringback") | {"RINGBACK_UPSTREAM_BASE_URL": ""}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert Settings() == Settings.model_construct()
    names = {variable(name, field): is_secret(field) for name, field in Settings.model_fields.items()}
    assert told.keys() == {name for name, secret in names.items() if not secret}
