"""Which layouts of records the ledger holds: a release keeps away from what only a newer one can read.

Each layout that is written is named in the ledger before the first record of it: a release that starts later looks
whether it can read all of them, and one that runs looks again and again. See docs/decisions/0013-upgrades.md.
"""

from importlib.metadata import version

from app.domain.errors import RingbackError
from app.store import keys
from app.store.codec import READS, WRITES
from app.store.connection import Ledger, translated_errors

_FIELD = "layout:"


class NewerLayout(RingbackError):
    """The ledger holds records that this release cannot read."""


async def check_layouts(ledger: Ledger) -> None:
    """Name the layout that this release writes; raises `NewerLayout` instead where it could not read all there is."""
    async with translated_errors():
        held = await ledger.redis.hgetall(keys.INSTALLATION)
        layouts = {
            int(name.decode().removeprefix(_FIELD)): by.decode()
            for name, by in held.items()
            if name.startswith(_FIELD.encode())
        }
        if unknown := [number for number in layouts if number not in READS]:
            raise NewerLayout(
                f"this is Ringback {version('ringback')}, which reads layouts up to {max(READS)}, but Ringback"
                f" {layouts[max(unknown)]} has written layout {max(unknown)} here: upgrade, or restore."
            )
        if WRITES not in layouts:
            await ledger.redis.hsetnx(keys.INSTALLATION, f"{_FIELD}{WRITES}", version("ringback"))
