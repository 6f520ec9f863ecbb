"""Gauges of what is read elsewhere and from time to time, which tell nothing rather than something old.

What could not be read is not there, instead of standing as it was or becoming NaN: so `max` and `sum` over many
processes go by those that could read it, an alert never sees a value that nobody vouches for, and what scales by one
is told that there is none.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import REGISTRY, Gauge, Metric
from prometheus_client.registry import Collector


class FadingGauge(Collector):
    """A gauge with labels, each of whose values is gone when it was not shown again for `seconds`."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], seconds: float) -> None:
        self._gauge = Gauge(name, documentation, labels, registry=None)
        self._seconds = seconds
        self._shown_at = time.monotonic()
        REGISTRY.register(self)

    def show(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Show these values, by their labels, and no others."""
        self._gauge.clear()
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        self._shown_at = time.monotonic()

    def forget(self) -> None:
        self._gauge.clear()

    def describe(self) -> Iterable[Metric]:
        return self._gauge.describe()

    def collect(self) -> Iterable[Metric]:
        if time.monotonic() - self._shown_at > self._seconds:
            self.forget()
        return self._gauge.collect()
