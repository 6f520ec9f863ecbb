"""How many streams a process serves at once, and for whom."""

from collections import Counter

from app.service.errors import TooManyRequests
from app.telemetry import metrics

# Of two tenants that want all, each gets half; one alone leaves room for another.
_SHARE_OF_ONE = 0.5
_RETRY_SECONDS = 10


class Admission:
    """Counts open streams; raises `TooManyRequests` for one too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = max(1, int(most * _SHARE_OF_ONE))
        self._of_tenants: Counter[str] = Counter()
        self._open = 0

    def enter(self, tenant_id: str) -> None:
        if self._open >= self._most:
            raise TooManyRequests(f"This process serves {self._most} streams, and all are taken.", _RETRY_SECONDS)
        if self._of_tenants[tenant_id] >= self._most_of_one:
            raise TooManyRequests(
                f"This process serves {self._most_of_one} streams of one tenant, and all are taken.", _RETRY_SECONDS
            )
        self._of_tenants[tenant_id] += 1
        self._open += 1
        metrics.STREAMS.inc()

    def leave(self, tenant_id: str) -> None:
        self._of_tenants[tenant_id] -= 1
        if not self._of_tenants[tenant_id]:
            del self._of_tenants[tenant_id]
        self._open -= 1
        metrics.STREAMS.dec()
