"""Use cases of export: what a tenant takes away for its own records."""

from collections.abc import AsyncIterator

from app.store.call_pages import CallPages, PlacedCall
from app.store.clock import StoreClock
from app.store.tenants import Tenant

# An end that is observed now may be written down a little later, or much later while Redis is in trouble. Whoever
# asks next for what ended since so long before this export misses nothing.
_OVERLAP_SECONDS = 60.0


class ExportService:
    def __init__(self, *, pages: CallPages, clock: StoreClock) -> None:
        self._pages = pages
        self._clock = clock

    def next_since(self) -> float:
        """Return from what time on the next export must ask, if this one begins now, in Unix seconds."""
        return self._clock.now() - _OVERLAP_SECONDS

    def calls(self, tenant: Tenant, *, since: float, after: str) -> AsyncIterator[list[PlacedCall]]:
        """Return the tenant's finished calls, some at a time; see `CallPages.finished`."""
        return self._pages.finished(tenant.id, since=since, after=after)
