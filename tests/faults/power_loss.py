"""What a loss of power takes with `appendfsync everysec`, shown: `python -m tests.faults.power_loss`.

Real processes follow simulated calls while subscriptions are registered all the time. Redis is killed, its append-only
file cut back to what it was a second before (what `everysec` may not have brought to the disk), and started again.
Processes, upstream and receiver go on meanwhile, as they do when one machine loses its power and the others do not.
The cut falls where it falls: Redis drops a command, or a script, of which only a part is left.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from app.dev.simulator import SimulatorSettings
from app.service.beside import beside
from tests.e2e.stack import Stack, data_of, new_path, running
from tests.judge import Delivery, Subscriber, judge
from tests.peers import Receipt
from tests.topologies import Single

# How much `everysec` may lose: a second between two times of bringing it to the disk.
LOST_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_REGISTER_SECONDS = 0.05
# Calls whose lives last through all losses.
_LIFE_SECONDS = 6.0
_SETTLED_SECONDS = 3.0


class FileSizes:
    """How long a file that grows was when: what a disk may be left with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes: list[tuple[float, int]] = []

    async def watch(self) -> None:
        while True:
            self._sizes.append((time.monotonic(), self._path.stat().st_size))
            await asyncio.sleep(_LOOK_SECONDS)

    def before(self, moment: float) -> int:
        """Return the length at a moment of `time.monotonic`; 0 where nothing was seen so early."""
        return max((size for at, size in self._sizes if at <= moment), default=0)

    def cut(self, size: int) -> int:
        """Cut the file to a length, and return how many bytes are lost."""
        lost = self._path.stat().st_size - size
        with self._path.open("r+b") as file:
            file.truncate(size)
        # What was seen so far is of another file.
        self._sizes.clear()
        return lost


@dataclass(slots=True)
class Losses:
    """What became of a run; seconds where not said otherwise. `errors` are what the judge holds against it."""

    subscriptions: int = 0
    losses: int = 0
    bytes_lost: int = 0
    registrations_lost: int = 0
    events: int = 0
    repeated: int = 0
    found_again_later: int = 0
    latest_by: float = 0.0
    missing: int = 0
    out_of_order: int = 0
    differing_otherwise: int = 0
    wrong_finals: int = 0
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    stack: Stack
    registered: dict[str, Subscriber] = field(default_factory=dict)

    async def register(self, calls: Sequence[str]) -> None:
        """Register one subscription after the other; what is acknowledged is remembered by its id."""
        for call_sid in calls:
            path = new_path()
            wanted = {"call_sid": call_sid, "callback_url": self.stack.receiver_url + path}
            answer = await self.stack.api.post("/v1/subscriptions", json=wanted)
            while answer.status_code == 503:
                await asyncio.sleep(_REGISTER_SECONDS)
                answer = await self.stack.api.post("/v1/subscriptions", json=wanted)
            self.registered[answer.raise_for_status().json()["id"]] = Subscriber(path, call_sid)
            await asyncio.sleep(_REGISTER_SECONDS)

    async def lost(self) -> dict[str, Subscriber]:
        """Return what was acknowledged and is not there any more."""
        known = {
            name: (await self.stack.api.get(f"/v1/subscriptions/{name}")).status_code for name in list(self.registered)
        }
        return {name: self.registered[name] for name, status in known.items() if status != 200}


async def lose_power(redis: Single, sizes: FileSizes, seconds: float) -> int:
    """Kill Redis, take the last so many seconds off its file, start it again; returns how many bytes were lost."""
    server, kept = redis.servers[0], sizes.before(time.monotonic() - seconds)
    server.kill()
    lost = sizes.cut(kept) if seconds else 0
    server.start()
    return lost


async def show(folder: Path, *, seed: int, calls: int, losses: int, seconds: float) -> Losses:
    """Run it, and lose so many seconds each time; 0 only kills Redis."""
    redis = Single(folder / "redis", "everysec")
    life = [(0.2, "queued"), (1.0, "ringing"), (_LIFE_SECONDS / 2, "in-progress"), (_LIFE_SECONDS, "completed")]
    simulator = SimulatorSettings(seed=seed, error_share=0, slow_share=0)
    async with running(
        folder, simulator=simulator, topology=redis, upstream_timeout_seconds=2, delivery_timeout_seconds=2
    ) as stack:
        sizes = FileSizes(folder / "redis" / "appendonly.aof")
        run, found = _Run(stack), Losses()
        sids = await stack.place(calls, life)
        async with beside(sizes.watch()):
            registering = asyncio.create_task(run.register(sids))
            for _ in range(losses):
                await asyncio.sleep(2 * max(seconds, LOST_SECONDS))
                found.bytes_lost += await lose_power(redis, sizes, seconds)
            await registering
        lost = await run.lost()
        for name, one in lost.items():
            run.registered[name] = Subscriber(new_path(), one.call_sid)
            await stack.subscribe(one.call_sid, run.registered[name].path)
        subscribers = list(run.registered.values())
        await stack.until_over(subscribers)
        # Whatever comes once more comes within this.
        await asyncio.sleep(_SETTLED_SECONDS)
        found.losses, found.subscriptions, found.registrations_lost = losses, len(subscribers), len(lost)
        _count(await stack.log(), stack.receiver.receipts, subscribers, found)
    return found


def _count(
    log: Sequence[Mapping[str, Any]], receipts: Sequence[Receipt], subscribers: Sequence[Subscriber], found: Losses
) -> None:
    """Judge what arrived, the time of knowledge left out, and count what arrived more than once."""
    paths = {one.path for one in subscribers}
    first: dict[tuple[str, str], Receipt] = {}
    again: set[tuple[str, str]] = set()
    deliveries = []
    for receipt in receipts:
        if receipt.path not in paths or not 200 <= receipt.status < 300:
            continue
        name = receipt.path, receipt.headers["webhook-id"]
        deliveries.append(Delivery(*name, _without_knowledge(receipt)))
        if name in first:
            found.repeated += 1
            if receipt.body != first[name].body:
                again.add(name)
                found.latest_by = max(found.latest_by, _known_at(receipt) - _known_at(first[name]))
        first.setdefault(name, receipt)
    judgement = judge(log, subscribers, deliveries)
    found.events, found.found_again_later = judgement.expected, len(again)
    found.missing, found.out_of_order = len(judgement.missing), len(judgement.out_of_order)
    found.differing_otherwise, found.wrong_finals = len(judgement.differing), len(judgement.wrong_finals)
    found.errors = judgement.faults(crashed=True)


def _known_at(receipt: Receipt) -> float:
    return datetime.fromisoformat(data_of(receipt)["observed_at"]).timestamp()


def _without_knowledge(receipt: Receipt) -> bytes:
    document = json.loads(receipt.body)
    del document["data"]["observed_at"]
    return json.dumps(document).encode()


def table(rows: Mapping[str, Losses]) -> str:
    """Write runs beside each other."""
    shown = {
        name: {one: value for one, value in asdict(found).items() if one != "errors"} for name, found in rows.items()
    }
    lines = [f"{'':22}" + "".join(f"{name:>16}" for name in shown)]
    for one in next(iter(shown.values())):
        values = (found[one] for found in shown.values())
        lines.append(f"{one.replace('_', ' '):22}" + "".join(f"{round(value, 3):>16}" for value in values))
    return "\n".join(lines)


@click.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--calls", default=60, show_default=True)
@click.option("--losses", default=2, show_default=True, help="How often Redis is killed in each run.")
def main(seed: int, calls: int, losses: int) -> None:
    """Kill Redis, once with its file whole and once a second short, and print what each took."""
    rows = {}
    for name, seconds in (("killed", 0.0), ("a second lost", LOST_SECONDS)):
        with TemporaryDirectory() as folder:
            run = show(Path(folder), seed=seed, calls=calls, losses=losses, seconds=seconds)
            rows[name] = asyncio.run(run)
    click.echo(table(rows))
    errors = [error for found in rows.values() for error in found.errors]
    if errors:
        raise click.ClickException("\n".join(errors))


if __name__ == "__main__":
    main()
