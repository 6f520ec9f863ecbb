"""Commands of the operator: a tenant's API keys."""
# ruff: noqa: PLC0415 -- a command imports what it needs: --help is quick, and the service runs without the dev extra

from typing import TYPE_CHECKING

import click

from app.cli.common import MOST_LISTED, checked, show, with_service

if TYPE_CHECKING:
    from app.api.schemas.api_key import ApiKeyList, CreatedApiKey
    from app.service import Service


@click.group()
def keys() -> None:
    """Manage the API keys of a tenant."""


@keys.command("create")
@click.argument("tenant_id")
@click.option("--name", help="For people.")
def create_key(tenant_id: str, name: str | None) -> None:
    """Give a tenant another API key and print it, which is shown this once."""
    from app.api.schemas.api_key import CreatedApiKey, NewApiKey

    wanted = checked(NewApiKey, {"name": name})

    async def create(service: "Service") -> "CreatedApiKey":
        return CreatedApiKey.made(await service.tenants.create_api_key(tenant_id, wanted.name))

    show(with_service(create).model_dump())


@keys.command("list")
@click.argument("tenant_id")
def list_keys(tenant_id: str) -> None:
    """Print a tenant's API keys, the oldest first, without the keys themselves."""
    from app.api.schemas.api_key import ApiKey, ApiKeyList

    async def read(service: "Service") -> "ApiKeyList":
        page = await service.tenants.api_keys(tenant_id, limit=MOST_LISTED, after="")
        return ApiKeyList(items=[ApiKey.of(one) for one in page.items], next_cursor=None)

    show(with_service(read).model_dump()["items"])


@keys.command("revoke")
@click.argument("tenant_id")
@click.argument("key_id")
def revoke_key(tenant_id: str, key_id: str) -> None:
    """Revoke an API key: it opens nothing any more, from this moment on."""

    async def revoke(service: "Service") -> None:
        await service.tenants.revoke_api_key(tenant_id, key_id)

    with_service(revoke)
