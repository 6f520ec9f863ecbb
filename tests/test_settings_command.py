"""`ringback settings`: every setting that is no secret, with its default and its purpose."""

import os
import subprocess
import sys

import pytest
from pydantic import Field, SecretStr

from app.cli.settings import as_environment_file, as_text
from app.settings import PREFIX, Settings


class Example(Settings):
    pause_seconds: float = 0.0001
    """How long
    it pauses."""
    foreign: str = Field("", validation_alias="OTEL_NAME")
    password: SecretStr = SecretStr("hush")
    address: str = Field("redis://user:hush@host", repr=False)


def test_a_setting_is_told_with_its_purpose_and_a_secret_is_not() -> None:
    told = as_environment_file(Example)
    assert "# How long it pauses.\nRINGBACK_PAUSE_SECONDS=0.0001\n" in told
    assert "\nOTEL_NAME=\n" in told
    assert "hush" not in told
    assert "PASSWORD" not in told


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (2.0, "2"), (0.1, "0.1"), (31_536_000.0, "31536000"), (("a", "b"), "a,b"), ((), ""), (7, "7")],
)
def test_a_value_is_told_as_the_environment_carries_it(value: object, text: str) -> None:
    assert as_text(value) == text


def test_the_command_tells_defaults_whatever_is_set() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "app.cli", "settings"],
        check=True,
        env=os.environ | {f"{PREFIX}PARTITIONS": "7", f"{PREFIX}ADMIN_KEY": "hush"},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert run.stdout == as_environment_file(Settings)
