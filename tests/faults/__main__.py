"""`make faults`: breaks everything that can be broken, under load, and prints what came of it.

`python -m tests.faults --seed 7` lets forty faults happen once each; which, in what order and to whom is the seed's
choice, and `--faults 1000` means all of them. `--hours 2` lets any happen at random instead, two at a time, while so
many hours of calls go by. Words name faults: those whose name holds one of them happen, and no others. It ends with
1 when a promise was broken or something did not heal in time.
"""

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.bench.machine import circumstances
from tests.faults.report import as_json, print_table
from tests.faults.run import Outcome, at_random, one_after_another
from tests.faults.suite import FAULTS, chosen, named


@click.command()
@click.option("--seed", type=int, default=None, help="Repeats a run's order, victims and lives. [default: a new one]")
@click.option("--calls", type=click.IntRange(min=1), default=1000, show_default=True, help="In all, at least.")
@click.option("--faults", type=click.IntRange(min=1), default=40, show_default=True, help="How many different ones.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=None, help="Of calls, in time lapse.")
@click.argument("words", nargs=-1)
def main(*, seed: int | None, calls: int, faults: int, hours: float | None, words: tuple[str, ...]) -> None:
    """Break everything that can be broken, under load, and print what came of it."""
    seed = random.randrange(1_000_000) if seed is None else seed  # noqa: S311 -- a trial, not a secret
    try:
        which = named(words) if words else list(FAULTS) if hours else chosen(faults, random.Random(seed))  # noqa: S311
    except LookupError as unknown:
        raise click.UsageError(str(unknown)) from None
    click.echo(f"seed {seed}")
    if hours is None:
        outcome = one_after_another(which, seed, calls, click.echo)
    else:
        outcome = at_random(which, seed, hours, click.echo)
    print_table(outcome.rows, outcome.judgement)
    click.echo(f"registrations that were not taken at once, by answer: {outcome.refusals or 'none'}")
    _write(seed, outcome)
    for one in outcome.unasked:
        click.echo(f"nobody asked for this: {one}")
    raise SystemExit(1 if outcome.objections() else 0)


def _write(seed: int, outcome: Outcome) -> None:
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"faults-{seed}-{now:%Y%m%d-%H%M%S}.json"
    result = as_json(outcome.rows, outcome.judgement)
    about = {"at": now.isoformat(timespec="seconds"), "seed": seed, **circumstances()}
    path.write_text(json.dumps({**about, **result, "unasked": list(outcome.unasked)}, indent=2) + "\n")
    click.echo(f"written to {path}")


if __name__ == "__main__":
    main()
