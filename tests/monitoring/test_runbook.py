"""The runbook has an entry for each alert, and names nothing that is not there."""

import re

from app.settings import PREFIX, Settings
from tests.monitoring.queries import known_series
from tests.monitoring.rules import DASHBOARD, ROOT, RUNBOOK, alerts

TEXT = RUNBOOK.read_text()
_ENTRY = re.compile(r"^### (Ringback\w+)\n\n\*(page|ticket)\.\*", re.MULTILINE)
_LOGGED = re.compile(r"""log(?:ger)?\.(?:warning|error|exception|critical)\(\s*f?"([^"]+)\"""")
_ROW = re.compile(r"^\| (`.+?`) \| [a-z, ]+ \| ", re.MULTILINE)


def test_each_alert_has_an_entry_that_says_whether_it_wakes_anybody() -> None:
    assert dict(_ENTRY.findall(TEXT)) == {name: rule["labels"]["severity"] for name, rule in alerts().items()}


def test_anchors_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


def test_panels_that_it_names_are_on_the_dashboard() -> None:
    board = DASHBOARD.read_text()
    named = re.findall(r"\*([A-Z][^*\n]+\?)\*", TEXT)
    assert named
    assert [title for title in named if f'"{title}"' not in board] == []


def test_metrics_and_settings_that_it_names_exist() -> None:
    assert set(re.findall(r"\bringback_\w+[a-z]", TEXT)) <= known_series().keys()
    read = {field.upper() for field in Settings.model_fields} | {"EGRESS_PROXY_URL", "CONNECTOR_ID"}
    assert set(re.findall(rf"{PREFIX}([A-Z0-9_]+)\b", TEXT)) <= read


def test_what_is_logged_as_trouble_is_explained() -> None:
    sources = [path.read_text() for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py")]
    logged = {line.partition(": %s")[0] for source in sources for line in _LOGGED.findall(source)}
    logged -= {"%s failed"}
    assert logged
    assert sorted(line for line in logged if line not in TEXT) == []


def test_log_lines_that_are_explained_are_in_the_code() -> None:
    sources = "".join(path.read_text() for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py"))
    told = {line for row in _ROW.findall(TEXT) for line in re.findall(r"`([^`]+)`", row)}
    assert told
    for line in told - {"deliver failed"}:
        assert line.removesuffix("…").split(" …")[0].rstrip(": ") in sources
