"""The README tells the truth about the settings."""

import re
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import PREFIX, Settings

README = Path(__file__).parents[1] / "README.md"
_ROW = re.compile(rf"^\| `((?:{PREFIX}|OTEL_)\w+)` \| ([^|]+) \|", re.MULTILINE)
_NAME = re.compile(rf"{PREFIX}([A-Z0-9_]+)\b")


def test_the_settings_table_names_every_setting_and_its_default() -> None:
    told = {name: default.strip().strip("`") for name, default in _ROW.findall(README.read_text())}
    fields = {_variable(name, field): field for name, field in Settings.model_fields.items()}
    assert told.keys() == fields.keys()
    for name, field in fields.items():
        if told[name].startswith("required"):
            assert not _text(field.default)
        elif told[name] != "the same":
            assert told[name] == _text(field.default)


def _variable(name: str, field: FieldInfo) -> str:
    """Return the variable that a setting is read from: one that a standard names has no prefix of ours."""
    return str(field.validation_alias) if field.validation_alias else PREFIX + name.upper()


def _sources() -> str:
    return "".join(path.read_text() for path in (README.parent / "app").rglob("*.py"))


def _text(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return ",".join(_text(part) for part in default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_whatever_else_the_readme_names_is_read_by_a_command() -> None:
    """So that the address in the container's command, say, is not ignored in silence."""
    read = {field.upper() for field in Settings.model_fields} | set(_NAME.findall(_sources()))
    named = set(_NAME.findall(README.read_text()))
    assert named
    assert named <= read
