"""The error tree that errors.py draws is the tree that is there."""

import importlib
import inspect
import pkgutil

import app.domain
from app.domain import errors


def domain_errors() -> set[type[Exception]]:
    modules = [
        importlib.import_module(f"app.domain.{module.name}") for module in pkgutil.iter_modules(app.domain.__path__)
    ]
    found = (member for module in modules for _, member in inspect.getmembers(module, inspect.isclass))
    return {kind for kind in found if issubclass(kind, Exception) and kind.__module__.startswith("app.domain")}


def test_every_error_of_the_domain_has_one_base_and_is_drawn() -> None:
    assert errors.RingbackError in domain_errors()
    for kind in domain_errors():
        assert issubclass(kind, errors.RingbackError), kind
        assert kind.__name__ in (errors.__doc__ or ""), kind


def test_an_invalid_subscription_names_its_field() -> None:
    error = errors.InvalidSubscription("events", "no such type")
    assert (error.field, str(error)) == ("events", "no such type")
