"""Commands of the operator: tenants."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from app.cli.common import MOST_LISTED, checked, failure, show, tool_settings, with_service

if TYPE_CHECKING:
    from app.api.schemas.tenant import CreatedTenant, Tenant
    from app.service import Service

_NONE = "none"


def _bound(text: str) -> int:
    """Read a quota: a number from 1, or `none`, which is 0 here."""
    if text == _NONE:
        return 0
    if not text.isdecimal() or not int(text):
        raise click.BadParameter(f"{text!r} is neither a number from 1 nor {_NONE!r}.")
    return int(text)


def _quota_options(command: Callable[..., None]) -> Callable[..., None]:
    for option, what in (
        ("--requests-per-second", "Requests a second."),
        ("--max-subscriptions-per-call", "Subscriptions of one call."),
        ("--max-active-subscriptions", "Subscriptions that are alive at once."),
    ):
        command = click.option(option, type=_bound, metavar="NUMBER", help=f"{what} 'none' is no bound.")(command)
    return command


@click.group()
def tenants() -> None:
    """Manage tenants."""


@tenants.command("create")
@click.option("--name", required=True, help="For people.")
@click.option("--account-id", required=True, help="The upstream account of its calls.")
@click.option("--project-id", required=True, help="The upstream project, likewise.")
@click.option(
    "--connector-id",
    envvar="RINGBACK_CONNECTOR_ID",
    show_envvar=True,
    help="The upstream connector, a credential. Other users of this machine can read an argument: without one it "
    "is asked for, and with '-' it is read from standard input.",
)
@_quota_options
def create_tenant(name: str, account_id: str, project_id: str, connector_id: str | None, **quotas: int | None) -> None:
    """Create a tenant and print its API key and signing secret, which are shown this once."""
    from app.api.schemas.tenant import CreatedTenant, NewTenant
    from app.domain.tenant import Quotas

    tool_settings()
    given = {"name": name, "account_id": account_id, "project_id": project_id, "quotas": _given(quotas)}
    wanted = checked(NewTenant, {**given, "connector_id": _connector_id(connector_id)})

    async def create(service: "Service") -> "CreatedTenant":
        new = await service.tenants.create(
            wanted.name, account_id, project_id, wanted.connector_id, Quotas(**wanted.quotas.said())
        )
        return CreatedTenant.of(new)

    show(with_service(create).model_dump())


@tenants.command("list")
def list_tenants() -> None:
    """Print all tenants, the oldest first."""
    from app.api.schemas.tenant import Tenant

    async def read(service: "Service") -> "list[Tenant]":
        found: list[Tenant] = []
        after = ""
        while True:
            page = await service.tenants.page(limit=MOST_LISTED, after=after)
            found += map(Tenant.of, page.items)
            after = page.following
            if not after:
                return found

    show([one.model_dump() for one in with_service(read)])


@tenants.command("show")
@click.argument("tenant_id")
def show_tenant(tenant_id: str) -> None:
    """Print a tenant, without its secrets."""
    from app.api.schemas.tenant import Tenant

    async def read(service: "Service") -> "Tenant":
        return Tenant.of(await service.tenants.get(tenant_id))

    show(with_service(read).model_dump())


@tenants.command("update")
@click.argument("tenant_id")
@click.option("--name", help="For people.")
@click.option("--account-id", help="The upstream account of calls that are registered from now on.")
@click.option("--project-id", help="The upstream project, likewise.")
@click.option("--connector-id", help="The upstream connector, likewise; with '-' it is read from standard input.")
@_quota_options
def update_tenant(
    *,
    tenant_id: str,
    name: str | None,
    account_id: str | None,
    project_id: str | None,
    connector_id: str | None,
    **quotas: int | None,
) -> None:
    """Change a tenant and print it; what is not named stays as it is."""
    from app.api.schemas.tenant import Tenant, TenantChange

    given = {"name": name, "account_id": account_id, "project_id": project_id, "quotas": _given(quotas) or None}
    given["connector_id"] = None if connector_id is None else _connector_id(connector_id)
    if all(value is None for value in given.values()):
        raise failure("nothing to change was named: see ringback tenants update --help.")
    change = checked(TenantChange, given).said()

    async def update(service: "Service") -> "Tenant":
        return Tenant.of(await service.tenants.change(tenant_id, change))

    show(with_service(update).model_dump())


@tenants.command("delete")
@click.argument("tenant_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_tenant(tenant_id: str, yes: bool) -> None:
    """Delete a tenant for good: its keys open nothing any more, and its subscriptions are cancelled."""
    if not yes and not sys.stdin.isatty():
        raise failure("a deletion cannot be undone: say --yes.")
    if not yes:
        click.confirm(f"Delete {tenant_id} and cancel all its subscriptions?", abort=True, err=True)

    async def delete(service: "Service") -> None:
        await service.tenants.delete(tenant_id)

    with_service(delete)


def _given(quotas: dict[str, int | None]) -> dict[str, int | None]:
    return {name: bound or None for name, bound in quotas.items() if bound is not None}


def _connector_id(given: str | None) -> str:
    if given == "-":
        return sys.stdin.readline().strip()
    if given is None and not sys.stdin.isatty():
        raise failure("the connector id is missing: set RINGBACK_CONNECTOR_ID, or pipe it in with --connector-id -.")
    return given if given is not None else str(click.prompt("Connector id", hide_input=True, err=True)).strip()
