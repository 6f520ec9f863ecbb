"""What a fault run prints: a line for each fault, everything that the judge states, and a verdict."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from tests.judgement import Judgement, percentile

WIDTH = 120
_NAME_WIDTH = 68
# Sentences of the judge that are printed; all of them are in `as_json`.
_CASES_SHOWN = 20
_COLUMNS = ("lasted", "calls", "p50", "max", "healed", "within")


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault and what came of it, in seconds.

    `calls` were placed while it `lasted`, and `lags` are those of the transitions that happened meanwhile. `healed` is
    how long after its end everything was back to normal (infinite if it never was), `within` the bound that is
    promised, and `seen` what an operator saw.
    """

    name: str
    lasted: float
    calls: int
    lags: Sequence[float]
    healed: float
    within: float
    seen: Sequence[str]

    @property
    def verdict(self) -> str:
        if self.healed <= self.within:
            return "healed"
        return "too late" if math.isfinite(self.healed) else "never"


def broken(rows: Sequence[FaultRow], judgement: Judgement, *, lost_a_second: bool = False) -> list[str]:
    """Return a sentence for each promise that was broken. Repetitions and polls in vain are what a crash excuses."""
    late = [
        f"{row.name}: healed after {_seconds(row.healed)} s instead of {_seconds(row.within)} s"
        for row in rows
        if row.verdict != "healed"
    ]
    return late + judgement.faults(crashed=True, lost_a_second=lost_a_second)


def print_table(
    rows: Sequence[FaultRow],
    judgement: Judgement,
    echo: Callable[[str], object] = click.echo,
    *,
    lost_a_second: bool = False,
) -> None:
    """Print a run in lines of at most 120 columns. `lost_a_second` says that Redis lost writes, by intent."""
    echo(_line("fault (all times in seconds)", _COLUMNS, "verdict"))
    for row in rows:
        echo(_line(row.name, (_seconds(row.lasted), f"{row.calls:,}", *_marks(row), *_healing(row)), row.verdict))
    echo("")
    echo("what an operator saw")
    for row in rows:
        seen = f"{row.name}: {', '.join(row.seen) or 'nothing'}"
        for line in textwrap.wrap(seen, WIDTH, initial_indent="  ", subsequent_indent="    "):
            echo(line)
    echo("")
    for name, value in judgement.stated().items():
        echo(f"{name:<{_NAME_WIDTH}}{f'{value:,}' if isinstance(value, int) else _seconds(value):>12}")
    echo("")
    cases = broken(rows, judgement, lost_a_second=lost_a_second)
    for case in cases[:_CASES_SHOWN]:
        echo(textwrap.shorten(f"  {case}", WIDTH, placeholder=" ..."))
    echo(f"verdict: {_verdict(len(rows), len(cases))}")


def as_json(rows: Sequence[FaultRow], judgement: Judgement, *, lost_a_second: bool = False) -> dict[str, Any]:
    """Return the same for a file. What never healed is null, since JSON has no infinity."""
    cases = broken(rows, judgement, lost_a_second=lost_a_second)
    return {
        "faults": [_row_as_json(row) for row in rows],
        "totals": judgement.stated(),
        "broken": cases,
        "verdict": _verdict(len(rows), len(cases)),
    }


def _row_as_json(row: FaultRow) -> dict[str, Any]:
    lags = {f"lag_{name}": percentile(row.lags, percent) for name, percent in (("p50", 50), ("p99", 99), ("max", 100))}
    return {
        "name": row.name,
        "lasted": row.lasted,
        "calls": row.calls,
        "transitions": len(row.lags),
        **lags,
        "healed": row.healed if math.isfinite(row.healed) else None,
        "within": row.within,
        "seen": list(row.seen),
        "verdict": row.verdict,
    }


def _verdict(faults: int, cases: int) -> str:
    if cases:
        return f"BROKEN, {cases:,} times in {faults:,} faults"
    return f"every promise kept through {faults:,} faults"


def _line(name: str, values: Sequence[str], verdict: str) -> str:
    short = textwrap.shorten(name, _NAME_WIDTH, placeholder=" ...")
    return f"{short:<{_NAME_WIDTH}}{''.join(f'{value:>7}' for value in values)}  {verdict}"


def _marks(row: FaultRow) -> tuple[str, ...]:
    return tuple(_seconds(percentile(row.lags, percent)) for percent in (50, 100))


def _healing(row: FaultRow) -> tuple[str, str]:
    return _seconds(row.healed), _seconds(row.within)


def _seconds(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.1f}"
