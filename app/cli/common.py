"""What several commands share: failing in one line, a port to listen on, and the service without an API."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.service import Service
    from app.settings import Settings

Result = TypeVar("Result")
Document = TypeVar("Document", bound="BaseModel")

LOOPBACK = "127.0.0.1"
PORT = click.IntRange(1, 65535)
# How many things a listing asks for at a time; no tenant has as many keys.
MOST_LISTED = 200


def check_port(host: str, port: int) -> None:
    """End the process if nothing can listen there: a server would say it less plainly, or start workers first."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise failure(f"cannot listen on {host} port {port}: {reason}.") from None


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def failure(message: str) -> SystemExit:
    return SystemExit(f"ringback: {message}")


def tool_settings() -> "Settings":
    """Return the settings of a command that works on the ledger, or end the process with one line."""
    from app.settings import load_settings

    return load_settings("tools")


def with_service(use: Callable[["Service"], Awaitable[Result]]) -> Result:
    """Do something with the service itself; what goes wrong ends the process with one line."""
    from app.domain.errors import RingbackError
    from app.resources import open_resources
    from app.store.layouts import check_layouts

    settings = tool_settings()

    async def work() -> Result:
        async with open_resources(settings) as resources:
            await resources.ledger.ping()
            await resources.ledger.check_partitions(settings.partitions)
            await check_layouts(resources.ledger)
            return await use(resources.service)

    try:
        return asyncio.run(work())
    except RingbackError as error:
        raise failure(str(error)) from None


def show(document: object) -> None:
    """Print JSON as people read it."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def checked(document: type[Document], given: Mapping[str, object]) -> Document:
    """Make a document of the API from options, of which those that are None were not given."""
    from pydantic import ValidationError

    try:
        return document.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][-1]).replace("_", "-")
        raise failure(f"--{option}: {first['msg'][:1].lower()}{first['msg'][1:]}.") from None
