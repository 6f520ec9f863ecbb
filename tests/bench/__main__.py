"""`make bench`: measures, prints a table, and writes it with the circumstances to bench-results/."""

import asyncio
import json
import platform
import statistics
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click

from tests.bench.detection import Detection, measure

_RUNS = 3
_CALLS = 200
# The vendor's shortest pace; and one at which the wait for the poll hides little of the rest.
_INTERVALS = (2.0, 0.4)
_PACKAGES = ("aiohttp", "arq", "fastapi", "httpx", "redis", "uvloop")


def main() -> None:
    """Measure what `make bench` promises."""
    rows = [asyncio.run(measure(_CALLS, interval, seed)) for interval in _INTERVALS for seed in range(_RUNS)]
    click.echo(
        f"Lateness of events at {_CALLS} live calls, one poll and one deliver worker, ms; median of {_RUNS} runs"
    )
    click.echo("  excess: arrival - true transition - half the interval; reaction: from the poll that could see it")
    click.echo(f"{'interval':>9} {'events':>7} {'missing':>8} {'excess p50':>11} {'p99':>7} {'mean':>7}", nl=False)
    click.echo(f" {'reaction p50':>13} {'p99':>7}   spread of excess p50")
    for interval in _INTERVALS:
        _row([row for row in rows if row.interval == interval])
    _write(rows)


def _row(runs: list[Detection]) -> None:
    def ms(name: str) -> str:
        return f"{statistics.median(getattr(run, name) for run in runs) * 1000:.0f}"

    low, high = (f(run.excess_p50 for run in runs) * 1000 for f in (min, max))
    events, missing = sum(run.transitions for run in runs), sum(run.missing for run in runs)
    click.echo(
        f"{runs[0].interval:>8}s {events:>7} {missing:>8} {ms('excess_p50'):>11} {ms('excess_p99'):>7}"
        f" {ms('excess_mean'):>7} {ms('reaction_p50'):>13} {ms('reaction_p99'):>7}   {low:.0f}..{high:.0f}",
    )


def _write(rows: list[Detection]) -> None:
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    circumstances = {
        "at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({**circumstances, "detection": [asdict(row) for row in rows]}, indent=2) + "\n")
    click.echo(f"written to {path}")


main()
