"""The README tells the truth about the settings."""

import re
from pathlib import Path

from pydantic import SecretStr

from app.settings import PREFIX, Settings

_ROW = re.compile(rf"^\| `{PREFIX}(\w+)` \| ([^|]+) \|", re.MULTILINE)


def test_the_settings_table_names_every_setting_and_its_default() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    told = {name.lower(): default.strip().strip("`") for name, default in _ROW.findall(readme)}
    assert told.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        if told[name].startswith("required"):
            assert not _text(field.default)
        elif told[name] != "the same":
            assert told[name] == _text(field.default)


def _text(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return ",".join(_text(part) for part in default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)
