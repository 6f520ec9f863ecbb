"""`make bench`: measures, prints tables, and writes them with the circumstances to bench-results/.

`python -m tests.bench memory` measures only what is named. `python -m tests.bench soak`, which is `make soak`, takes
half an hour and is no part of the rest.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tests.bench import (
    deliveries,
    detection,
    fanout,
    footprint,
    isolation,
    latency,
    listing,
    memory,
    outage,
    polls,
    registrations,
    scale,
    soak,
    streams,
    workers,
)
from tests.bench.machine import circumstances

# Each part prints its table and returns its rows.
_PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "detection": detection.report,
    "isolation": isolation.report,
    "outage": outage.report,
    "memory": memory.report,
    "registrations": registrations.report,
    "listing": listing.report,
    "polls": polls.report,
    "scale": scale.report,
    "workers": workers.report,
    "footprint": footprint.report,
    "deliveries": deliveries.report,
    "fanout": fanout.report,
    "latency": latency.report,
    "streams": streams.report,
}


def main(names: list[str]) -> None:
    """Measure what is named, or everything but the soak."""
    if names[:1] == ["soak"]:
        rows = soak.report(names[1:])
        _write({"soak": rows})
        soak.check(rows)
        return
    unknown = sorted(set(names) - set(_PARTS))
    if unknown:
        raise SystemExit(f"there is no {', '.join(unknown)}; there are {', '.join(_PARTS)}, and soak by itself")
    _write({name: _PARTS[name]() for name in names or _PARTS})


def _write(rows: dict[str, list[dict[str, Any]]]) -> None:
    folder = Path("bench-results")
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"at": now.isoformat(timespec="seconds"), **circumstances(), **rows}, indent=2) + "\n")
    click.echo(f"written to {path}")


main(sys.argv[1:])
