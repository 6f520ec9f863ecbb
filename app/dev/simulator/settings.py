"""What can be chosen about the simulated upstream."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the upstream: one project and the connectors that may trigger and read its calls."""

    account_id: str
    project_id: str
    connector_ids: tuple[str, ...]


DEMO_ACCOUNT = Account("acc-demo", "proj-demo", ("connector-demo",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """Raises ValueError for a number that makes no sense."""

    # The same seed gives the same lives to the first, second, … planned call, whatever is polled in between.
    seed: int = 1
    # How many seconds of a planned life, and of the retention after it, pass in one second. 1 is real time.
    time_lapse: float = 1.0
    # The vendor: "retained for approximately 2 hours after the call ends".
    retention_seconds: float = 7200.0
    # The share of status answers that are 500.
    error_share: float = 0.02
    # The share of status answers that come late, and how late; real seconds, whatever the time lapse.
    slow_share: float = 0.01
    slow_seconds: float = 1.5
    accounts: tuple[Account, ...] = (DEMO_ACCOUNT,)
    client_env: str = "simulation"
    # Print times as the vendor's example does. The default is microseconds, so that a judge of delays has the
    # truth.
    whole_seconds: bool = False
    # A call that is polled more often keeps its latest polls, and the number of all.
    kept_polls_per_call: int = 200
    # Beyond this many calls the oldest is forgotten, as if it had never been.
    kept_calls: int = 100_000

    def __post_init__(self) -> None:
        for name in ("error_share", "slow_share"):
            _require(0 <= getattr(self, name) <= 1, name, "between 0 and 1")
        for name in ("retention_seconds", "slow_seconds", "kept_polls_per_call"):
            _require(0 <= getattr(self, name) < math.inf, name, "zero or more")
        for name in ("time_lapse", "kept_calls"):
            _require(0 < getattr(self, name) < math.inf, name, "more than zero")
        _require(len(self.accounts) > 0, "accounts", "at least one")


def _require(holds: bool, name: str, demand: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {demand}")
