"""Which metrics and labels a query names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from app.telemetry import metrics  # noqa: F401 -- registers them

# What Prometheus itself makes, and what it knows of a target.
SYNTHETIC = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
TARGET_LABELS = {"job", "instance", "namespace"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",), "info": ("_info",)}
_SELECTOR = re.compile(r'\b([A-Za-z_:][\w:]*)\{((?:"(?:[^"\\]|\\.)*"|[^}"])*)\}')
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?:ringback|process)_\w+|\bup\b|\bALERTS\b")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Query:
    """The series a query reads, the labels it picks by with each, and those it groups by."""

    series: frozenset[str]
    matched: frozenset[tuple[str, str]]
    grouped: frozenset[str]


def read_query(expression: str) -> Query:
    """Find what a query names; one of ours is told by its prefix, and any name before braces is a series."""
    matched = {(name, label) for name, inner in _SELECTOR.findall(expression) for label, _ in _MATCHER.findall(inner)}
    bare = _QUOTED.sub('""', expression)
    named = set(_NAME.findall(bare)) | {name for name, _ in _SELECTOR.findall(expression)}
    grouped = {label.strip() for inner in _GROUPING.findall(bare) for label in inner.split(",") if label.strip()}
    return Query(frozenset(named), frozenset(matched), frozenset(grouped))


def known_series() -> dict[str, set[str]]:
    """Return every series that a process of Ringback may show, with the labels of its own."""
    return SYNTHETIC | {name: labels for collector in _collectors() for name, labels in _series_of(collector)}


def _collectors() -> list[Collector]:
    return list(REGISTRY._collector_to_names)


def _series_of(collector: Collector) -> Iterator[tuple[str, set[str]]]:
    # A fading gauge keeps one of prometheus_client's inside.
    labels = set(getattr(getattr(collector, "_gauge", collector), "_labelnames", ()))
    # A metric of ours has no samples before its first, and describes itself; those of Python and the process have both.
    for family in getattr(collector, "describe", collector.collect)():
        for suffix in _SUFFIXES[family.type]:
            yield family.name + suffix, labels | ({"le"} if suffix == "_bucket" else set())
