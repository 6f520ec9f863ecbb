"""What is to be noticed about a delivery after those before it: repetitions, disorder, and how late it is."""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from app.dev.listener.received import Received, Rejected

# A listener may run for days: what came this many deliveries ago is forgotten.
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class Summary:
    """Counts of what came. `late` are the seconds after the transition was seen."""

    deliveries: int = 0
    repeated: int = 0
    disordered: int = 0
    rejected: int = 0
    late: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.deliveries} deliveries", f"{self.repeated} repeated"]
        parts += [f"{self.disordered} out of order", f"{self.rejected} rejected"]
        if self.late:
            ordered = sorted(self.late)
            middle, end = (ordered[math.ceil(len(ordered) * share) - 1] for share in (0.5, 0.99))
            parts.append(f"seen {middle:.2f} s before (p50), {end:.2f} s (p99)")
        return ", ".join(parts) + "."


class OrderBook:
    """Notes deliveries as they come."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._ids: OrderedDict[tuple[str | None, ...], int] = OrderedDict()
        self._last: OrderedDict[tuple[str | None, ...], int] = OrderedDict()

    def note(self, received: Received) -> list[str]:
        """Return what is to be noticed, in words."""
        self.summary.deliveries += 1
        if isinstance(received.verdict, Rejected):
            # Anybody can send that.
            self.summary.rejected += 1
            return []
        if received.seen_seconds is not None and len(self.summary.late) < _MOST_REMEMBERED:
            self.summary.late.append(received.seen_seconds)
        whose = (received.subscription_id, received.account_id, received.project_id, received.call_sid)
        if received.webhook_id is not None:
            identity = (*whose, received.webhook_id)
            if identity in self._ids:
                self.summary.repeated += 1
                return ["again"]
            _remember(self._ids, identity, 1)
        if received.sequence is None:
            return []
        last = self._last.get(whose)
        _remember(self._last, whose, max(received.sequence, last or 0))
        if last is not None and received.sequence < last:
            self.summary.disordered += 1
            return ["out of order"]
        if last is not None and received.sequence > last + 1:
            return [f"{received.sequence - last - 1} left out"]
        return []


def _remember(book: OrderedDict[tuple[str | None, ...], int], key: tuple[str | None, ...], value: int) -> None:
    book[key] = value
    book.move_to_end(key)
    if len(book) > _MOST_REMEMBERED:
        book.popitem(last=False)
