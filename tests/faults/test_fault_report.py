"""What a fault run prints, read back."""

import json
import math
from dataclasses import replace

import pytest

from tests.faults.report import WIDTH, FaultRow, as_json, broken, print_table
from tests.judgement import Judgement

ROW = FaultRow(
    "kill -9 a poll worker",
    lasted=2.5,
    calls=40,
    lags=[0.5, 1.0, 7.25],
    healed=3.0,
    within=5.0,
    seen=["readyz 503"],
)
KEPT = Judgement(transitions=1234, expected=2468)


def printed(rows: list[FaultRow], judgement: Judgement, *, lost_a_second: bool = False) -> list[str]:
    lines: list[str] = []
    print_table(rows, judgement, lines.append, lost_a_second=lost_a_second)
    return lines


def test_a_fault_has_a_line_with_its_figures() -> None:
    assert printed([ROW], KEPT)[1].split() == [
        *ROW.name.split(), "2.5", "40", "1.0", "7.2", "3.0", "5.0", "healed",
    ]  # fmt: skip


def test_all_that_the_judge_states_has_a_line() -> None:
    lines = printed([ROW], KEPT)
    assert set(KEPT.stated()) <= {line.rsplit(maxsplit=1)[0] for line in lines if line}
    assert "1,234" in next(line for line in lines if line.startswith("transitions"))


def test_a_run_without_faults_is_said_to_be_good() -> None:
    assert printed([ROW, ROW], KEPT)[-1] == "verdict: every promise kept through 2 faults"
    assert broken([ROW], Judgement(repeated=["/1 #1 call.created"])) == []


@pytest.mark.parametrize(("healed", "verdict"), [(5.01, "too late"), (math.inf, "never")])
def test_what_heals_too_late_breaks_a_promise(healed: float, verdict: str) -> None:
    row = replace(ROW, healed=healed)
    lines = printed([ROW, row], KEPT)
    assert lines[2].endswith(verdict)
    assert lines[-1] == "verdict: BROKEN, 1 times in 2 faults"
    assert len(broken([ROW, row], KEPT)) == 1


def test_what_the_judge_found_breaks_a_promise_and_is_shown() -> None:
    lines = printed([ROW], Judgement(missing=["/1 #2 call.queued"]))
    assert "missing: /1 #2 call.queued" in lines[-2]
    assert lines[-1].startswith("verdict: BROKEN")


def test_a_lost_second_excuses_another_time_of_knowledge() -> None:
    judgement = Judgement(known_later=["/1 #2 call.queued"])
    assert "BROKEN" in printed([ROW], judgement)[-1]
    assert "BROKEN" not in printed([ROW], judgement, lost_a_second=True)[-1]
    assert as_json([ROW], judgement)["broken"] == ["known later: /1 #2 call.queued"]
    assert as_json([ROW], judgement, lost_a_second=True)["broken"] == []


def test_no_line_is_too_long() -> None:
    long = FaultRow("a name " * 20, 999.0, 99_999, [9_999.0], 999.0, 1.0, ["a log line " * 5] * 5)
    lines = printed([long, replace(long, healed=math.inf, lags=[], seen=[])], Judgement(missing=["word " * 60] * 50))
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 70


def test_the_file_has_the_same_figures_and_is_json() -> None:
    rows = [ROW, replace(ROW, healed=math.inf, lags=[])]
    told = json.loads(json.dumps(as_json(rows, KEPT), allow_nan=False))
    first, second = told["faults"]
    assert (first["lag_p50"], first["lag_max"], first["transitions"], first["healed"]) == (1.0, 7.25, 3, 3.0)
    assert (second["lag_p50"], second["healed"], second["verdict"]) == (None, None, "never")
    assert told["totals"] == KEPT.stated()
    assert told["verdict"] == "BROKEN, 1 times in 2 faults"
