"""The dashboard: each panel says what it answers, and goes by what there is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.monitoring.queries import TARGET_LABELS, known_series, read_query
from tests.monitoring.rules import COMPONENT, DASHBOARD

BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
_WIDTH = 24


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_it_can_be_found_and_pointed_to() -> None:
    assert BOARD["uid"] == "ringback"
    assert {one["name"]: one["type"] for one in BOARD["templating"]["list"]} == {
        "datasource": "datasource",
        "namespace": "query",
    }


def test_rows_answer_in_the_order_of_the_questions() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]
    assert rows[:3] == ["Are events on time?", "Is anything stuck?", "Who is failing?"]


def test_panels_have_ids_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken = [cell for panel in PANELS for cell in cells(panel)]
    assert len(set(taken)) == len(taken)
    assert all(x < _WIDTH for x, _ in taken)


@pytest.mark.parametrize("panel", GRAPHS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


@pytest.mark.parametrize("panel", GRAPHS, ids=lambda panel: panel["title"])
def test_a_panel_goes_by_what_there_is(panel: dict[str, Any]) -> None:
    known = known_series()
    for target in panel["targets"]:
        query = read_query(target["expr"])
        assert query.series
        assert query.series <= known.keys()
        assert all(label in known[series] | TARGET_LABELS for series, label in query.matched)
        # One installation of several is chosen by its namespace.
        assert {(series, "namespace") for series in query.series} <= query.matched
        of_series = TARGET_LABELS.union(*(known[series] for series in query.series))
        assert query.grouped <= of_series
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= query.grouped


def test_annotations_go_by_what_there_is() -> None:
    assert BOARD["annotations"]["list"]
    for annotation in BOARD["annotations"]["list"]:
        assert read_query(annotation["expr"]).series <= known_series().keys()


def test_grafana_is_handed_the_file() -> None:
    component = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())
    (generator,) = component["configMapGenerator"]
    assert generator["files"] == [f"ringback.json={DASHBOARD.name}"]
    assert generator["options"]["labels"]["grafana_dashboard"] == "1"
