"""A tenant's bounds: one CRM system, or another caller, may have and ask so much and no more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a tenant may have at most; None is no bound.

    `active_subscriptions` counts those of the whole tenant, `subscriptions_per_call` those of one call;
    `requests_per_second` is what its requests may average to, with bursts of as many at once.
    """

    active_subscriptions: int | None = None
    subscriptions_per_call: int | None = None
    requests_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class RateStanding:
    """How a tenant stands to its `requests_per_second`, here `limit`.

    So many requests `remain` to be made at once; after `full_after` seconds without any, all of them.
    """

    limit: int
    remain: int
    full_after: float
