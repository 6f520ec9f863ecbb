"""Why a use case was not carried out.

ServiceError
├── InvalidField    a field that is refused, and why
├── NoSuch          nothing of that name, or nothing of this tenant's: the two are never told apart
├── Conflict        what is there does not allow it
└── TooManyRequests more than is served at this moment; when to try again
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.domain.callback_url import InvalidCallbackUrl
from app.domain.errors import InvalidSecret, InvalidSubscription, RingbackError

Arguments = ParamSpec("Arguments")
Checked = TypeVar("Checked")


class ServiceError(RingbackError):
    """What is asked for cannot be done."""


class InvalidField(ServiceError):
    """A field that is refused."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Conflict(ServiceError):
    """What is there does not allow what is asked for."""


class NoSuch(ServiceError):
    """There is nothing of that name, or it is another tenant's."""


class TooManyRequests(ServiceError):
    """More is asked for than is served; worth another try after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def named(
    field_name: str,
    check: Callable[Arguments, Checked],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Checked:
    """Make one of the domain's checks, and say of which field a refusal is."""
    try:
        return check(*args, **kwargs)
    except (InvalidSubscription, InvalidSecret, InvalidCallbackUrl) as refusal:
        raise InvalidField(field_name, str(refusal)) from refusal
