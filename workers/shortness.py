"""How short the budgets are, told as a metric without telling whose they are."""

from collections import deque

from app.domain.upstream_budget import CredentialSet
from app.store.clock import StoreClock
from app.telemetry import metrics

# What was seen of a budget counts until it is seen again, or for so long: ticks come every second.
_RECENT_SECONDS = 3.0


class Shortness:
    """What this worker saw of the budgets lately; the metric shows the shortest."""

    def __init__(self, clock: StoreClock) -> None:
        self._clock = clock
        # When it was seen, whose it is, and by how many seconds polls are behind and calls in progress stretched.
        self._seen: deque[tuple[float, CredentialSet, float, float]] = deque()
        metrics.BUDGET_SHORT.labels("early").set_function(lambda: self.now()[0])
        metrics.BUDGET_SHORT.labels("in_progress").set_function(lambda: self.now()[1])

    def note(self, credentials: CredentialSet, behind: float, stretch: float) -> None:
        self._forget()
        self._seen.append((self._clock.now(), credentials, behind, stretch))

    def now(self) -> tuple[float, float]:
        """Return by how many seconds early polls are behind and calls in progress stretched, at most."""
        self._forget()
        latest = {credentials: (behind, stretch) for _, credentials, behind, stretch in self._seen}
        behinds, stretches = zip(*latest.values(), strict=True) if latest else ((0.0,), (0.0,))
        return max(behinds), max(stretches)

    def _forget(self) -> None:
        oldest = self._clock.now() - _RECENT_SECONDS
        while self._seen and self._seen[0][0] < oldest:
            self._seen.popleft()
