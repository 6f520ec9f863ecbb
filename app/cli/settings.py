"""The command that prints the settings as an environment file."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from app.settings import Settings

_HEAD = """\
# Every setting that is no secret, with its default, as `ringback settings` prints them. What an installation wants
# otherwise is said in its overlay, not here.
"""
_WIDTH = 118


@click.command()
def settings() -> None:
    """Print every setting that is no secret, with its default, as lines of NAME=value."""
    from app.settings import Settings

    click.echo(as_environment_file(Settings), nl=False)


def as_environment_file(settings: "type[Settings]") -> str:
    """Return the lines, each below what the setting is for. The environment of this process changes nothing."""
    purposes = _purposes(settings)
    lines = [_HEAD.rstrip()]
    for name, field in settings.model_fields.items():
        if not is_secret(field):
            lines += ["", *_comment(purposes.get(name, "")), f"{variable(name, field)}={as_text(field.default)}"]
    return "\n".join(lines) + "\n"


def variable(name: str, field: "FieldInfo") -> str:
    """Return the environment's name of a setting: ours, unless it has one of its own."""
    from app.settings import PREFIX

    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{name.upper()}"


def is_secret(field: "FieldInfo") -> bool:
    """Whether a setting is, or may carry, a credential: those that no `repr` shows."""
    from pydantic import SecretStr

    return not field.repr or isinstance(field.default, SecretStr)


def as_text(value: object) -> str:
    """Return a setting's value as the environment carries it; no digit is lost."""
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return ",".join(map(as_text, value))
        case _:
            return str(value)


def _purposes(settings: "type[Settings]") -> dict[str, str]:
    """Return what the source says below each field: Python keeps no docstrings of attributes."""
    import ast
    import inspect

    body = ast.parse(textwrap.dedent(inspect.getsource(settings))).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    found: dict[str, str] = {}
    for one, following in zip(body.body, body.body[1:], strict=False):
        match one, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(purpose))):
                found[name] = " ".join(purpose.split())
    return found


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
