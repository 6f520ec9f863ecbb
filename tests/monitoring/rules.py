"""The rules as they are written, and what is made of them: the operator's resource, and a quick version for a trial."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules.yaml"
COMPONENT = ROOT / "deploy" / "kubernetes" / "components" / "monitoring"
RESOURCE = COMPONENT / "rules.yaml"
DASHBOARD = COMPONENT / "dashboard.json"
RUNBOOK = ROOT / "docs" / "operations.md"

_HEAD = """\
# Made of deploy/prometheus/rules.yaml by `python -m tests.monitoring.renew`: change that file, and run it.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: ringback
  labels:
    app.kubernetes.io/name: ringback
spec:
"""
_UNITS = {"s": 1, "m": 60, "h": 3600}
# The windows of a query, and how far it looks back: `[5m]`, `offset 10m`.
_WINDOW = re.compile(r"(?<=\[)\d+[smh](?=\])|(?<=offset )\d+[smh]")


def read_groups() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return groups


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by their names."""
    return {rule["alert"]: rule for group in read_groups() for rule in group["rules"]}


def resource_text() -> str:
    """Return the operator's resource: the groups as they are written, two spaces further in."""
    lines = RULES.read_text().splitlines()
    groups = lines[lines.index("groups:") :]
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in groups)


def quicker(factor: float) -> dict[str, Any]:
    """Return the rules with every window, offset and `for` divided by `factor`, and nothing else changed.

    Thresholds stay, also those in seconds. A window has four seconds at least: what is scraped once a second needs
    two readings in it.
    """

    def shorter(text: str, least: int) -> str:
        return f"{max(least, round(int(text[:-1]) * _UNITS[text[-1]] / factor))}s"

    groups = read_groups()
    for rule in (one for group in groups for one in group["rules"]):
        rule["expr"] = _WINDOW.sub(lambda found: shorter(found.group(), 4), rule["expr"])
        if "for" in rule:
            rule["for"] = shorter(rule["for"], 1)
    return {"groups": groups}
