"""What pollers and the upstream do: news, claims, answers, and records that come in time, late or twice."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.domain.cadence import NotFound, Pace, PollAgain, after_poll
from app.domain.event import CallNames, event_id
from app.domain.upstream_budget import Promise
from app.store.keys import Partition
from app.store.watches import PolledStep, PutOff, Recorded
from tests.protocol.agreement import watch_id
from tests.protocol.installation import FAR_SECONDS
from tests.protocol.truth import Call
from tests.protocol.turns import AskedPoll, HeldPoll
from tests.protocol.watched_machine import WatchedMachine, leased, pick, which
from tests.store.polling import answered

# Nothing comes due by itself while an example runs, and who is told 404 gives up at once.
_WAIT = 2 * FAR_SECONDS
_PACE = Pace(_WAIT, _WAIT, _WAIT, _WAIT, _WAIT, 0.0, 1e9)
_batches = st.lists(which, min_size=1, max_size=3)


class PollerRules(WatchedMachine):
    @rule(number=which, count=st.integers(1, 3))
    def the_call_goes_on(self, number: int, count: int) -> None:
        call = pick(self.truth.calls, number)
        call.shown = min(call.shown + count, len(call.life))

    @precondition(lambda self: any(call.written and not call.ended for call in self.truth.calls))
    @rule(number=which)
    def the_upstream_forgets_the_call_or_finds_it(self, number: int) -> None:
        call = pick([call for call in self.truth.calls if call.written and not call.ended], number)
        call.gone = not call.gone

    @precondition(lambda self: any(map(self.due, self.truth.calls)))
    @rule(number=which)
    def a_poll_or_its_lease_comes_due(self, number: int) -> None:
        self.let_come_due(pick([call for call in self.truth.calls if self.due(call)], number))

    def let_come_due(self, call: Call) -> None:
        score = self.due(call)
        if score is not None:
            self.installation.pass_time(self.of(call).due, watch_id(call), score)
            self.look(calls=[call])

    @precondition(lambda self: any(map(self.due, self.truth.calls)))
    @rule(number=which)
    def polls_are_claimed(self, number: int) -> None:
        self.claim_polls(pick(self.partitions, number))

    def claim_polls(self, partition: Partition) -> list[HeldPoll]:
        here = [call for call in self.truth.calls if self.of(call) is partition]
        ripe = [call for call in here if self.is_due(self.due(call))]
        claims = self.installation.claim_polls(partition)
        found = sorted(claim.watch.key.call_sid for claim in claims)
        assert found == sorted(call.sid for call in ripe), f"claimed are {found}"
        self.look(calls=ripe)
        for call in ripe:
            assert not self.is_due(self.due(call)), "a claim is no lease"
        for claim in sorted(claims, key=lambda claim: claim.watch.key.call_sid):
            call = self.truth.call(claim.watch.key.call_sid)
            self.hold_poll(HeldPoll(call, claim, call.version))
        return self.held[-len(claims) :] if claims else []

    @precondition(lambda self: self.held)
    @rule(number=which)
    def the_upstream_is_asked(self, number: int) -> None:
        self.ask(pick(self.held, number))

    def ask(self, held: HeldPoll) -> AskedPoll:
        call, now = held.call, self.installation.now()
        # A claim that came too late may know less than is written: what it finds is never recorded.
        news = tuple(call.news()) if held.version == call.version else ()
        outcome = NotFound() if call.gone else answered(held.claim, call.life[: call.shown])
        step = after_poll(held.claim.watch, outcome, now, _PACE, 0.5)
        names = CallNames.of(held.claim.watch.key)
        if held.version == call.version:
            assert [event.name for event in step.events] == [one.name for one in news], "a poll finds something else"
        for event in step.events:
            # Since when a call was followed is part of its being lost, and it may be followed anew.
            since = held.claim.watch.registered_at if event.reason else 0
            identity = (call.sid, event.name, since or event.occurrence)
            known = self.ids.setdefault(identity, event_id(names, event))
            assert known == event_id(names, event), "the same transition has two ids"
        asked = AskedPoll(held, PolledStep(held.claim, step, now), news)
        self.hold_asked(asked)
        return asked

    @precondition(lambda self: any(map(self.due, self.truth.calls)))
    @rule(number=which)
    def two_workers_poll_the_same(self, number: int) -> None:
        """The first is held up for longer than its lease, so that both have something to record."""
        call = pick([call for call in self.truth.calls if self.due(call)], number)
        for _ in range(2):
            self.let_come_due(call)
            for held in self.claim_polls(self.of(call)):
                self.ask(held)

    @precondition(lambda self: self.asked)
    @rule(numbers=_batches)
    def polls_are_recorded_now_or_late_or_again(self, numbers: list[int]) -> None:
        batch = [pick(self.asked, number) for number in numbers]
        self.commit([one for one in batch if self.of(one.held.call) is self.of(batch[0].held.call)])

    def commit(self, batch: Sequence[AskedPoll]) -> None:
        expected, fresh = [], []
        for one in batch:
            call = one.held.call
            wanted = any(other.wants(news) for other in self.truth.of_call(call) for news in one.news)
            followed = self.truth.followed(call)
            if not call.record(one.held.version, one.news):
                expected.append(Recorded.STALE)
                continue
            fresh.append(one)
            expected.append(Recorded.DONE_WITH_MORE if wanted else Recorded.DONE)
            if not followed and isinstance(one.step.step.following, PollAgain):
                call.left_due = round(one.step.step.following.at * 1000)
        recorded = self.installation.commit(self.of(batch[0].held.call), [one.step for one in batch])
        assert recorded == expected, f"recorded as {recorded}, and not as {expected}"
        if not fresh:
            self.look_same()
            return
        self._look_after(fresh)

    def _look_after(self, fresh: Sequence[AskedPoll]) -> None:
        calls = [one.held.call for one in fresh]
        subscribers = [one for call in calls for one in self.truth.of_call(call)]
        places = {one.id: self.place(one) for one in subscribers}
        self.look(calls=calls, places=[place for place, score in places.items() if not leased(score)])
        for one in subscribers:
            score = self.place(one)
            if score != places[one.id]:
                assert score is None or self.is_due(score), "what is new is not due now"
        for asked in fresh:
            following = asked.step.step.following
            if self.truth.followed(asked.held.call) and isinstance(following, PollAgain):
                assert self.due(asked.held.call) == round(following.at * 1000), "the next poll is at another time"

    @precondition(lambda self: self.held)
    @rule(number=which, promise=st.sampled_from([None, *Promise]))
    def a_claim_is_given_back_or_put_off(self, number: int, promise: Promise | None) -> None:
        held = pick(self.held, number)
        self.held.remove(held)
        call, until = held.call, self.installation.now() + FAR_SECONDS
        if promise is None:
            self.installation.release_poll(self.of(call), held.claim)
        else:
            self.installation.put_off(self.of(call), PutOff(held.claim, until, promise))
        there = self.due(call) is not None
        self.look(calls=[call])
        due = held.claim.due_at if promise is None else until
        if there:
            assert abs((self.due(call) or 0) - due * 1000) <= 1, "it is due at another time than it was given back for"

    @precondition(lambda self: any(map(self.due, self.truth.calls)))
    @rule(number=which)
    def a_poll_goes_smoothly(self, number: int) -> None:
        call = pick([call for call in self.truth.calls if self.due(call)], number)
        self.let_come_due(call)
        for held in self.claim_polls(self.of(call)):
            self.commit([self.ask(held)])
