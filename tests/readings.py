"""What stands in a process' /metrics, read as Prometheus reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
# As the text format has them, an escaped quote among them.
_LABEL_VALUE = re.compile(r'="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Readings:
    """The samples of an answer, by name and labels; and the answer itself."""

    text: str
    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample, or None where there is none with just these labels."""
        return self.samples.get((name, frozenset(labels.items())))

    def all(self, name: str, label: str) -> dict[str, float]:
        """Return a metric's samples by one of their labels, those that share its value added up."""
        found: dict[str, float] = {}
        for (sample, labels), value in self.samples.items():
            if sample == name and label in dict(labels):
                found[dict(labels)[label]] = found.get(dict(labels)[label], 0.0) + value
        return found

    def label_values(self) -> set[str]:
        return set(_LABEL_VALUE.findall(self.text))


def readings_of(text: str) -> Readings:
    families = text_string_to_metric_families(text)
    samples = {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
    return Readings(text, samples)


def own_readings() -> Readings:
    """Return what this very process would answer."""
    return readings_of(generate_latest().decode())
