"""What is known of each call, told by the deliveries alone."""

from dataclasses import dataclass, field

from app.dev.listener import Received, Verified
from app.domain.timestamps import parse_timestamp

# A run may last for days; what is forgotten has long been off the screen.
_MOST_CALLS = 500


@dataclass(slots=True)
class FollowedCall:
    """A call of which deliveries were received, or are expected.

    `names` are the verified events by sequence, without `call.`; `delay` is how long after its transition the last
    one arrived, in seconds; `last_at` when, in Unix seconds.
    """

    call_sid: str
    names: dict[int, str] = field(default_factory=dict)
    final: bool = False
    in_order: bool = True
    delay: float | None = None
    last_at: float | None = None
    rejected: int = 0

    @property
    def life(self) -> tuple[str, ...]:
        return tuple(self.names[sequence] for sequence in sorted(self.names))

    @property
    def flawless(self) -> bool:
        """Whether it came to its end with every event verified, in order and none missing."""
        complete = sorted(self.names) == list(range(1, len(self.names) + 1))
        return self.final and self.in_order and complete and not self.rejected


class Board:
    """All calls, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self._calls: dict[str, FollowedCall] = {}

    def expect(self, call_sid: str) -> FollowedCall:
        """Show a call before its first event."""
        call = self._calls.setdefault(call_sid, FollowedCall(call_sid))
        while len(self._calls) > _MOST_CALLS:
            del self._calls[next(iter(self._calls))]
        return call

    def add(self, received: Received) -> None:
        """Take note of a delivery. What is not signed is believed nothing but that it came."""
        if not isinstance(received.verdict, Verified):
            if received.call_sid in self._calls:
                self._calls[received.call_sid].rejected += 1
            return
        if received.call_sid is None or received.sequence is None or received.event_type is None:
            return
        call = self.expect(received.call_sid)
        if received.sequence in call.names:
            return
        call.in_order &= received.sequence > max(call.names, default=0)
        call.names[received.sequence] = received.event_type.removeprefix("call.")
        call.final |= received.final is True
        call.delay = delay_seconds(received)
        call.last_at = received.received_at

    def shown(self, limit: int) -> list[FollowedCall]:
        """Return up to `limit` calls: those that go on before those that are over, the newest of each."""
        calls = list(self._calls.values())
        by_worth = sorted(range(len(calls)), key=lambda place: (calls[place].final, -place))
        return [calls[place] for place in sorted(by_worth[:limit])]

    def over(self, call_sids: frozenset[str]) -> list[FollowedCall] | None:
        """Return these calls once all of them have ended."""
        calls = [self._calls[sid] for sid in call_sids if sid in self._calls]
        return calls if calls and len(calls) == len(call_sids) and all(call.final for call in calls) else None


def delay_seconds(received: Received) -> float | None:
    """How long after the upstream's time of the transition the delivery came."""
    occurred = parse_timestamp(received.occurred_at)
    return None if occurred is None else received.received_at - occurred.timestamp()
