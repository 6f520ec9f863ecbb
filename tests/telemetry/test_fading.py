"""A gauge of what was read elsewhere says nothing once that is old."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import REGISTRY

from app.telemetry.fading import FadingGauge
from tests.readings import own_readings

NAME = "test_fading_gauge"
SOON, LATER = 0.0, 3600.0


@pytest.fixture
def make_gauge() -> Iterator[Callable[[float], FadingGauge]]:
    made: list[FadingGauge] = []

    def make(seconds: float) -> FadingGauge:
        made.append(FadingGauge(NAME, "Something.", ["kind"], seconds))
        return made[-1]

    yield make
    for gauge in made:
        REGISTRY.unregister(gauge)


def test_what_was_shown_stands_there(make_gauge: Callable[[float], FadingGauge]) -> None:
    make_gauge(LATER).show({("a",): 1, ("b",): 2.5})
    assert own_readings().all(NAME, "kind") == {"a": 1.0, "b": 2.5}


def test_what_is_shown_no_more_does_not(make_gauge: Callable[[float], FadingGauge]) -> None:
    gauge = make_gauge(LATER)
    gauge.show({("a",): 1, ("b",): 2.5})
    gauge.show({("b",): 3})
    assert own_readings().all(NAME, "kind") == {"b": 3.0}


def test_what_is_old_is_gone(make_gauge: Callable[[float], FadingGauge]) -> None:
    gauge = make_gauge(SOON)
    gauge.show({("a",): 1})
    assert own_readings().all(NAME, "kind") == {}


def test_so_is_what_was_forgotten(make_gauge: Callable[[float], FadingGauge]) -> None:
    gauge = make_gauge(LATER)
    gauge.show({("a",): 1})
    gauge.forget()
    assert own_readings().all(NAME, "kind") == {}


def test_its_name_is_taken(make_gauge: Callable[[float], FadingGauge]) -> None:
    make_gauge(LATER)
    with pytest.raises(ValueError, match=NAME):
        FadingGauge(NAME, "The same again.", ["kind"], LATER)
