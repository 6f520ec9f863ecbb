"""Reads compose.yaml as Compose does, as far as the tests need it: merged, and with its variables filled in."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.processes import ROOT

PATH = ROOT / "deploy/compose.yaml"
EXAMPLE = ROOT / "deploy/compose.env.example"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_ASSIGNED = re.compile(r"^(#?)([A-Z]\w*)=(.*)$", re.MULTILINE)


class MissingVariable(Exception):
    """Compose refuses to go on; the message is the one in the file."""


def variables() -> dict[str, bool]:
    """Return what the file lets be chosen, and whether it must be."""
    return {name: kind == "?" for name, kind, _ in _VARIABLE.findall(PATH.read_text())}


def services(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the services with `env` as `.env`; a variable that has no value there is not handed on.

    Raises MissingVariable.
    """
    document = yaml.safe_load(PATH.read_text())
    found: dict[str, Any] = _filled(document["services"], env)
    for service in found.values():
        given = service.get("environment", {})
        service["environment"] = {
            name: env.get(name) if value is None else value
            for name, value in given.items()
            if value is not None or name in env
        }
    return found


def handed_on() -> dict[str, set[str]]:
    """Return the names that each service is given if they have a value."""
    document = yaml.safe_load(PATH.read_text())
    return {name: set(service.get("environment", {})) for name, service in document["services"].items()}


def example() -> tuple[set[str], set[str]]:
    """Return what the example of `.env` asks for, and what it offers."""
    found = _ASSIGNED.findall(EXAMPLE.read_text())
    return {name for mark, name, _ in found if not mark}, {name for mark, name, _ in found if mark}


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _filled(part: Any, env: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, env) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, env) for value in part]
    return _VARIABLE.sub(lambda found: _value(found, env), part) if isinstance(part, str) else part


def _value(found: re.Match[str], env: Mapping[str, str]) -> str:
    name, kind, text = found.groups()
    if env.get(name):
        return env[name]
    if kind == "?":
        raise MissingVariable(f"{name} {text}")
    return text or ""
