"""Everybody at once: tenants, pollers, deliverers and what befalls them; and in the end everything is as promised."""

import sys
from collections.abc import Iterable
from functools import partial

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as from_seed
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.protocol.deliverer_rules import DelivererRules
from tests.protocol.installation import Installation
from tests.protocol.poller_rules import PollerRules
from tests.protocol.truth import Subscription
from tests.protocol.watched_machine import pick, which

# The short form, which takes about four seconds.
SHORT_EXAMPLES, SHORT_STEPS = 30, 40
_MOST_ROUNDS = 40


class WholeMachine(PollerRules, DelivererRules):
    @precondition(lambda self: any(map(self.due, self.truth.calls)))
    @rule(number=which, late=st.booleans())
    def a_call_is_left_while_it_is_polled(self, number: int, late: bool) -> None:
        """Its poll comes to its end before somebody follows the call anew, or is late."""
        call = pick([call for call in self.truth.calls if self.due(call)], number)
        self.let_come_due(call)
        asked = [self.ask(held) for held in self.claim_polls(self.of(call))]
        former = self.truth.of_call(call)
        for one in former:
            self.cancel(one)
        polls = [partial(self.commit, [poll]) for poll in asked]
        comes_back = partial(self.subscribe, call, former[0].tenant, former[0].url, former[0].events)
        for step in [comes_back, *polls] if late else [*polls, comes_back]:
            step()

    def teardown(self) -> None:
        """Let everything that is under way come to its end, and see that nobody has missed anything."""
        # After a failure nothing is as it should be, and hypothesis comes here all the same.
        if sys.exc_info()[0] is not None:
            return
        for call in self.truth.calls:
            call.gone, call.shown = call.gone and bool(call.written), len(call.life)
        for one in self.living():
            if one.status == "paused":
                self.pause(one, paused=False)
        self._hear_the_late()
        for _ in range(_MOST_ROUNDS):
            if not self._nothing_to_do():
                self._go_round()
        assert self._nothing_to_do(), f"it does not come to an end: {self.pictures}"
        for one in self.living():
            check_served(one)

    def _nothing_to_do(self) -> bool:
        return not any(one.due or one.outbox for one in self.pictures.values())

    def _hear_the_late(self) -> None:
        for asked in [*self.asked]:
            self.commit([asked])
        for record in [*self.records]:
            self.settle([record])

    def _go_round(self) -> None:
        for call in self.truth.calls:
            self.let_come_due(call)
        for partition in self.partitions:
            for held in self.claim_polls(partition):
                self.commit([self.ask(held)])
        for place in self.places():
            self.let_place_come_due(*place)
        for partition in self.partitions:
            for turn in self.claim_deliveries(partition):
                self.finish(turn)


def check_served(one: Subscription) -> None:
    """Assert that a subscriber has got what it wants: each event in order, and the final one, which is the last."""
    written = one.call.written
    assert written, f"{one.call.sid} has no events"
    assert [happening.final for happening in written] == [False] * (len(written) - 1) + [True], "there is no one end"
    assert not one.lanes, "something is still on its way"
    assert one.fates.keys() == set(range(1, one.cursor + 1)), f"subscription {one.number} has missed something"
    unread = written[one.cursor :]
    assert not any(map(one.wants, unread)), f"subscription {one.number} never got {unread}"
    if not one.changes:
        ignored = [sequence for sequence, fate in one.fates.items() if fate == "not wanted"]
        assert not any(one.wants(written[sequence - 1]) for sequence in ignored), "it got less than it wants"


def run(
    installation: Installation,
    *,
    examples: int,
    steps: int,
    seed: int | None = None,
    phases: Iterable[Phase] = (Phase.generate, Phase.shrink),
) -> None:
    """Run the machine; raises AssertionError for whatever does not hold. Without a seed it is the same each time."""

    class Machine(WholeMachine):
        def __init__(self) -> None:
            super().__init__(installation)

    run_state_machine_as_test(
        Machine if seed is None else from_seed(seed)(Machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=seed is None,
            database=None,
            deadline=None,
            phases=tuple(phases),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
