"""What deliverers and receivers do: claims, attempts, and settlements that come in time, late or twice."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.store.deliveries import ClaimedOutbox, LoggedAttempt
from app.store.keys import Partition
from app.store.watches import Recorded
from tests.protocol.installation import FAR_SECONDS
from tests.protocol.subscriber_rules import SubscriberRules, filters
from tests.protocol.truth import Subscription
from tests.protocol.turns import Deed, Record, Turn
from tests.protocol.watched_machine import leased, pick, which

_DEEDS: tuple[Deed, ...] = ("deliver", "deliver", "let pass", "fail", "fail slowly", "put off", "give up")
_deeds = st.sampled_from(_DEEDS)
_batches = st.lists(which, min_size=1, max_size=3)


class DelivererRules(SubscriberRules):
    def places(self) -> list[tuple[Partition, str]]:
        """Return all places of the outbox in an order that is the same whatever the ids are."""
        found = [(one, member) for one in self.partitions for member in self.pictures[one.number].outbox]
        return sorted(found, key=lambda place: self._order(place[1]))

    def _order(self, member: str) -> tuple[int, str]:
        return self.truth.subscription(member).number, member.partition("/")[2]

    def free_turns(self) -> list[Turn]:
        """Return the turns that wait for no record of theirs."""
        waiting = [record.turn for record in self.records]
        return [turn for turn in self.turns if not turn.over and turn not in waiting]

    @precondition(lambda self: self.places())
    @rule(number=which)
    def a_delivery_or_its_lease_comes_due(self, number: int) -> None:
        self.let_place_come_due(*pick(self.places(), number))

    def let_place_come_due(self, partition: Partition, member: str) -> None:
        self.installation.pass_time(partition.outbox, member, self.pictures[partition.number].outbox[member])
        self.look(places=[member])

    @precondition(lambda self: self.places())
    @rule(number=which, events_each=st.sampled_from([1, 2, 10]))
    def deliveries_are_claimed(self, number: int, events_each: int) -> None:
        self.claim_deliveries(pick(self.places(), number)[0], events_each)

    def claim_deliveries(self, partition: Partition, events_each: int = 10) -> list[Turn]:
        outbox = self.pictures[partition.number].outbox
        ripe = [member for member, score in outbox.items() if self.is_due(score)]
        claims = self.installation.claim_deliveries(partition, events_each)
        expected = [member for member in ripe if self._has_something(member)]
        assert {claim.member for claim in claims} == set(expected), "claimed is something else than is due"
        self.look(places=ripe)
        for claim in sorted(claims, key=lambda claim: self._order(claim.member)):
            one = self.truth.subscription(claim.member)
            self._check_claim(claim, one, events_each)
            self.hold_turn(Turn(one, claim, one.changes))
        gone = set(ripe) - set(expected)
        assert not gone & self.pictures[partition.number].outbox.keys(), "what has nothing to deliver stays"
        return self.turns[-len(claims) :] if claims else []

    def _has_something(self, member: str) -> bool:
        one = self.truth.subscription(member)
        return one.status == "active" and ("/" in member or one.may_wait)

    def _check_claim(self, claim: ClaimedOutbox, one: Subscription, events_each: int) -> None:
        score = self.place(one, claim.member)
        assert leased(score), "a claim looks like no lease"
        assert not self.is_due(score), "a claim is no lease"
        lane = int(claim.member.partition("/")[2] or 0)
        first, count = (lane, 1) if lane else (one.cursor + 1, events_each)
        expected = [(first + place, name) for place, name in enumerate(one.call.written[first - 1 :][:count])]
        found = [(pending.sequence, pending.event.name) for pending in claim.events]
        assert found == [(sequence, happening.name) for sequence, happening in expected], "other events were claimed"
        stands = (claim.cursor, claim.failures)
        assert stands == (one.cursor, one.lanes[lane] if lane else one.failures), "it was claimed as it does not stand"
        destination = claim.destination
        assert (destination.callback_url, destination.events.names) == (one.url, one.events), "another destination"

    @precondition(lambda self: self.free_turns())
    @rule(number=which, deed=_deeds)
    def a_delivery_is_tried_and_recorded(self, number: int, deed: Deed) -> None:
        self.settle([self.act(pick(self.free_turns(), number), deed)])

    @precondition(lambda self: self.free_turns())
    @rule(number=which, deed=_deeds)
    def a_delivery_is_tried_and_its_worker_held_up(self, number: int, deed: Deed) -> None:
        self.hold_record(self.act(pick(self.free_turns(), number), deed))

    def act(self, turn: Turn, deed: Deed) -> Record:
        return turn.act(deed, round(self.installation.now() + FAR_SECONDS))

    @precondition(lambda self: self.free_turns())
    @rule(number=which, deed=_deeds)
    def a_delivery_is_recorded_and_the_answer_lost(self, number: int, deed: Deed) -> None:
        record = self.act(pick(self.free_turns(), number), deed)
        self.settle([record])
        self.settle([record])

    @precondition(lambda self: self.places())
    @rule(number=which)
    def a_worker_is_held_up_for_longer_than_its_lease(self, number: int) -> None:
        partition, member = pick(self.places(), number)
        self.let_place_come_due(partition, member)
        self.claim_deliveries(partition)
        if member in self.pictures[partition.number].outbox:
            self.let_place_come_due(partition, member)

    @precondition(lambda self: self.places())
    @rule(number=which, deeds=st.tuples(_deeds, _deeds))
    def two_workers_deliver_the_same(self, number: int, deeds: tuple[Deed, Deed]) -> None:
        """The first is held up for longer than its lease, so that both have something to record; lanes come first."""
        partition, member = pick(sorted(self.places(), key=lambda place: "/" in place[1]), number)
        turns: list[Turn] = []
        for _ in deeds:
            if member in self.pictures[partition.number].outbox:
                self.let_place_come_due(partition, member)
                turns += [turn for turn in self.claim_deliveries(partition) if turn.claim.member == member]
        for turn, deed in zip(turns, deeds, strict=False):
            self.settle([self.act(turn, deed)])

    @precondition(lambda self: self.places())
    @rule(number=which, what=st.sampled_from(["events", "cancel", "again"]), events=filters, deed=_deeds)
    def a_tenant_changes_what_is_being_delivered(
        self, number: int, what: str, events: tuple[str, ...], deed: Deed
    ) -> None:
        """Between a claim and its record: what follows is another matter then, and claimed anew. Lanes come first."""
        partition, member = pick(sorted(self.places(), key=lambda place: "/" in place[1]), number)
        self.let_place_come_due(partition, member)
        for turn in [turn for turn in self.claim_deliveries(partition) if turn.claim.member == member]:
            if deed == "let pass":
                # Its neighbour is being tried then.
                self.settle([self.act(turn, deed)])
            if turn.over:
                continue
            if what == "cancel":
                self.cancel(turn.one)
            elif what == "again":
                self.replay(turn.one, 0, "as it is")
            elif turn.one.events != events:
                self.change_events(turn.one, events)
            self.settle([self.act(turn, "deliver" if deed == "let pass" else deed)])

    @precondition(lambda self: self.records)
    @rule(numbers=_batches, keep=st.booleans())
    def deliveries_are_recorded_late_or_again(self, numbers: list[int], keep: bool) -> None:
        batch = [pick(self.records, number) for number in numbers]
        batch = [one for one in batch if self.of(one.turn.one.call) is self.of(batch[0].turn.one.call)]
        if not keep:
            self.records = [one for one in self.records if one not in batch]
        self.settle(batch)

    def settle(self, batch: Sequence[Record]) -> None:
        hastened = {record.turn.one.id for record in batch if self._hastened(record)}
        expected = [
            record.turn.one.settle(
                record.settlement, record.skipped, record.turn.changes, hastened=record.turn.one.id in hastened
            )
            for record in batch
        ]
        partition = self.of(batch[0].turn.one.call)
        recorded = self.installation.settle(partition, [record.settlement for record in batch])
        for record, result, allowed in zip(batch, recorded, expected, strict=True):
            assert result in allowed, f"settled as {result!r}, and not as {allowed}"
            record.turn.go_on(record, result)
        if set(recorded) == {Recorded.STALE} and not hastened:
            self.look_same(but=self._is_log)
            self.look()
            return
        touched = {f"{record.turn.one.id}/{record.settlement.passed}" for record in batch}
        self.look(places=touched | {record.settlement.member for record in batch} | hastened)
        if len(batch) == 1:
            self._check_place(batch[0], recorded[0], hastened=bool(hastened))

    def _hastened(self, record: Record) -> bool:
        one = record.turn.one
        return record.settlement.member == one.id and "h" in self.before(one.call).subscriptions[one.id]

    @staticmethod
    def _is_log(key: str, field: str) -> bool:
        """Tell the log: an attempt was made, whatever has become of its delivery."""
        kind = key.partition("}:")[2][:1]
        return (kind == "s" and field[:1] == "l") or kind == "l"

    def _check_place(self, record: Record, result: Recorded, *, hastened: bool) -> None:
        one, settled = record.turn.one, record.settlement
        score = self.place(one, settled.member)
        if score is None:
            return
        if result is Recorded.DONE_WITH_MORE and settled.lease_seconds:
            assert leased(score), "a turn goes on without a lease"
            assert not self.is_due(score), "a turn goes on without a lease"
        elif result in {Recorded.DONE_WITH_MORE, Recorded.DUE_ANEW}:
            assert self.is_due(score), "there is more, and it is not due"
        elif settled.verdict in {"retry", "slow", "wait"} and result is Recorded.DONE and not hastened:
            assert score == round(settled.retry_at * 1000), "put off to another time"

    @precondition(lambda self: self.free_turns())
    @rule(number=which)
    def a_receiver_is_gone(self, number: int) -> None:
        turn = pick(self.free_turns(), number)
        turn.over = True
        one, lanes = turn.one, [f"{turn.one.id}/{sequence}" for sequence in turn.one.lanes]
        attempt = LoggedAttempt(turn.claim.events[0].sequence, turn.claim.claimed_at, 410, "", 1, b"", "gone")
        one.logged += 1
        ends = one.living and one.changes == turn.changes
        assert self.installation.disable(one, attempt, turn.claim.changed) is ends, f"it should end: {ends}"
        if not ends:
            self.look_same(but=self._is_log)
            self.look()
            return
        self.end(one, "disabled", lanes)

    @precondition(lambda self: self.free_turns())
    @rule(number=which)
    def a_delivery_is_given_back(self, number: int) -> None:
        turn = pick(self.free_turns(), number)
        turn.over = True
        one, member = turn.one, turn.claim.member
        there = self.place(one, member) is not None
        self.installation.release_delivery(self.of(one.call), turn.claim)
        self.look(places=[member])
        if there:
            assert self.place(one, member) == round(turn.claim.due_at * 1000), "given back for another time"

    @precondition(lambda self: self.places())
    @rule(number=which, deed=_deeds)
    def a_turn_is_taken(self, number: int, deed: Deed) -> None:
        """A turn that delivers to its end but for the first thing that it does."""
        partition, member = pick(self.places(), number)
        self.let_place_come_due(partition, member)
        for turn in self.claim_deliveries(partition):
            self.settle([self.act(turn, deed)])
            self.finish(turn)

    def finish(self, turn: Turn) -> None:
        while not turn.over:
            self.settle([self.act(turn, "deliver")])
