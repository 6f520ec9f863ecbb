"""docs/metrics.md names every metric with its type and labels, and no other; and all that the labels may say."""

import importlib
import pkgutil
import re
from dataclasses import dataclass

import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

import app
import workers
from app.resources import Resources
from app.telemetry import metrics
from app.telemetry.fading import FadingGauge
from tests.processes import ROOT
from tests.readings import own_readings

_ROW = re.compile(r"^\| `(ringback_\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$", re.MULTILINE)
_LABEL = re.compile(r"`(\w+)`(?:: ([^;]+))?")
_KINDS = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


@dataclass(frozen=True, slots=True)
class Described:
    """A metric's type, and its labels with their values, empty where these are not named one by one."""

    kind: str
    labels: dict[str, tuple[str, ...]]


def described() -> dict[str, Described]:
    return {
        name: Described(
            kind,
            {
                label: tuple(one.strip() for one in values.split(",")) if values else ()
                for label, values in _LABEL.findall(labels)
            },
        )
        for name, kind, labels in _ROW.findall((ROOT / "docs" / "metrics.md").read_text())
    }


def defined() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the type and the labels of every metric in the table, by name."""
    found = {}
    for one in vars(metrics).values():
        metric = one._gauge if isinstance(one, FadingGauge) else one
        if isinstance(metric, MetricWrapperBase):
            kind = _KINDS[type(metric)]
            name = f"{metric._name}_total" if kind == "counter" else metric._name
            found[name] = (kind, metric._labelnames)
    return found


@pytest.fixture(scope="module")
def _everything_imported() -> None:
    """What is bound to its labels at import stands there then."""
    for package in (app, workers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def test_the_page_has_every_metric_and_no_other() -> None:
    page = {name: (one.kind, tuple(one.labels)) for name, one in described().items()}
    assert page == defined()


@pytest.mark.usefixtures("_everything_imported")
def test_no_metric_is_defined_elsewhere() -> None:
    names = {name for name, _ in own_readings().samples if name.startswith("ringback_")}
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert bare <= defined().keys()


@pytest.mark.usefixtures("_everything_imported")
async def test_no_label_has_another_value(resources: Resources) -> None:
    await resources.vital_signs.publish()
    page = described()
    others = []
    for name, labels in own_readings().samples:
        one = page.get(re.sub(r"_(bucket|sum|count)$", "", name))
        for label, value in labels:
            values = one.labels.get(label) if one else ()
            if values and value not in values:
                others.append((name, label, value))
    assert others == []
