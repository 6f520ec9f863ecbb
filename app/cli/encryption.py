"""Commands of the operator: what is kept encrypted."""

from typing import TYPE_CHECKING

import click

from app.cli.common import failure, show, with_service

if TYPE_CHECKING:
    from app.service import Service
    from app.service.reencryption import Reencrypted


@click.group()
def secrets() -> None:
    """Manage what is kept encrypted."""


@secrets.command("reencrypt")
def reencrypt() -> None:
    """Encrypt everything under the first of RINGBACK_ENCRYPTION_KEYS, so that the others can be dropped.

    To rotate: put a new key first, for every process; run this until it has nothing to re-encrypt; take the old key
    out. It may run beside everything else, be ended and run again. What none of the keys opens is left as it is and
    named, and the exit code is 1.
    """

    async def renew(service: "Service") -> "Reencrypted":
        return await service.reencryption.reencrypt()

    done = with_service(renew)
    show(
        {
            "reencrypted": done.renewed,
            "unchanged": done.unchanged,
            "unreadable": [{"what": one.what, "reason": one.reason} for one in done.unreadable],
        }
    )
    if done.unreadable:
        raise failure(f"{len(done.unreadable)} could not be read: see above, and keep the keys that there are.")
