"""The machine's ground: a truth, an installation, what its workers hold; and a look at all of Redis after each step."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from app.store.keys import Partition
from tests.builders import LIFE
from tests.protocol.agreement import check, watch_id
from tests.protocol.installation import FAR_SECONDS, Installation
from tests.protocol.picture import Dump, Picture, picture
from tests.protocol.truth import Call, Life, Subscription, Truth
from tests.protocol.turns import AskedPoll, HeldPoll, Record, Turn

# Two of them share a partition.
CALLS: Mapping[str, Life] = {
    "OUT-1": LIFE,
    "OUT-2": (
        ("CREATED", "2024-03-15T10:00:00Z"),
        ("ringing", "2024-03-15T10:00:01Z"),
        ("in-progress", "2024-03-15T10:00:05Z"),
        ("on-hold", "2024-03-15T10:00:12Z"),
        ("in-progress", "2024-03-15T10:00:20Z"),
        ("failed", "2024-03-15T10:01:00Z"),
    ),
    "OUT-3": (("queued", "2024-03-15T10:00:01Z"), ("busy", "2024-03-15T10:00:05Z")),
}
# Which of several is meant: of those that there are, counted round. The last is the newest.
which = st.integers(0, 7)
# What a worker that was held up still has in its hands.
_MOST_HELD = 6

Thing = TypeVar("Thing")


def pick(things: Sequence[Thing], number: int) -> Thing:
    return things[-1 - number % len(things)]


def leased(score: float | None) -> bool:
    return score is not None and score % 1 != 0


class WatchedMachine(RuleBasedStateMachine):
    """Workers are told apart by nothing: what is held is held by somebody, and two claims of one thing by two."""

    def __init__(self, installation: Installation) -> None:
        super().__init__()
        self.installation = installation
        self.truth = Truth([Call(sid, life) for sid, life in CALLS.items()])
        self.partitions = list({self.of(call).number: self.of(call) for call in self.truth.calls}.values())
        self.held: list[HeldPoll] = []
        self.asked: list[AskedPoll] = []
        self.turns: list[Turn] = []
        self.records: list[Record] = []
        self.ids: dict[object, str] = {}

    def begin(self) -> None:
        self.installation.empty()
        self._take_picture()

    def of(self, call: Call) -> Partition:
        return self.installation.partition_of(call.sid)

    def is_due(self, score: float | None) -> bool:
        """Tell what is due now from what waits or is leased, which is so for an hour; clocks may differ a little."""
        return score is not None and score <= self.installation.now() * 1000 + FAR_SECONDS * 100

    def _take_picture(self) -> None:
        self.dump: Dump = self.installation.dump()
        self.pictures: dict[int, Picture] = {one.number: picture(self.dump, one) for one in self.partitions}

    def before(self, call: Call) -> Picture:
        return self.pictures[self.of(call).number]

    def due(self, call: Call) -> float | None:
        """Return the score of a call as of the last look."""
        return self.before(call).due.get(watch_id(call))

    def place(self, one: Subscription, member: str = "") -> float | None:
        """Return the score of a subscription's place in the outbox as of the last look."""
        return self.before(one.call).outbox.get(member or one.id)

    def look(
        self,
        calls: Collection[Call] = (),
        places: Collection[str] = (),
        moved_back: Subscription | None = None,
    ) -> None:
        """Compare Redis with the truth; scores of other calls and places than these must be what they were."""
        before = self.pictures
        self._take_picture()
        touched = {watch_id(call) for call in calls}
        for partition in self.partitions:
            then, now = before[partition.number], self.pictures[partition.number]
            here = [call for call in self.truth.calls if self.of(call) is partition]
            check(self.truth, now, then, here, partition)
            check_scores(then.due, now.due, touched)
            check_scores(then.outbox, now.outbox, places)
            for one, row in then.subscriptions.items():
                back = int(now.subscriptions[one]["c"]) < int(row["c"])
                assert not back or (moved_back and moved_back.id == one), f"the cursor of {one} went back"

    def look_same(self, but: Callable[[str, str], bool] = lambda _key, _field: False) -> None:
        """Assert that nothing at all has changed since the last look, except some fields."""
        dump = self.installation.dump()
        assert _without(dump, but) == _without(self.dump, but), "something has changed that must not"
        self._take_picture()

    def hold_poll(self, one: HeldPoll) -> None:
        self.held = [*self.held, one][-_MOST_HELD:]

    def hold_asked(self, one: AskedPoll) -> None:
        self.asked = [*self.asked, one][-_MOST_HELD:]

    def hold_turn(self, one: Turn) -> None:
        self.turns = [*self.turns, one][-_MOST_HELD:]

    def hold_record(self, one: Record) -> None:
        self.records = [*self.records, one][-_MOST_HELD:]


def check_scores(before: Mapping[str, float], now: Mapping[str, float], touched: Collection[str]) -> None:
    moved = {
        member: (score, now[member])
        for member, score in before.items()
        if member in now and now[member] != score and member not in touched
    }
    assert not moved, f"moved without a reason: {moved}"


def _without(dump: Dump, but: Callable[[str, str], bool]) -> Mapping[str, object]:
    kept = {
        name: {field: inner for field, inner in value.items() if not but(name, field)}
        if isinstance(value, Mapping)
        else (() if but(name, "") else value)
        for name, value in dump.items()
    }
    return {name: value for name, value in kept.items() if value}
