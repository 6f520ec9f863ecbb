"""What tenants do: subscribe once or twice, cancel, pause, change, and ask for what they had before."""

from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from app.domain.subscription import EventFilter
from app.store.redelivery import Redelivered, Replay, Retry
from app.store.registrations import Full, Refused
from app.store.subscriptions import Changed, SubscriptionChange
from tests.protocol.truth import Call, Subscription
from tests.protocol.watched_machine import WatchedMachine, leased, pick, which

_tenants = st.sampled_from(["ten_1m842cp907q3yc2f95cq", "ten_2m842cp907q3yc2f95cq"])
_URLS = ("https://one.example.com/", "https://two.example.com/", "https://three.example.com/")
_urls = st.sampled_from(_URLS)
filters = st.sampled_from([(), (), ("final",), ("call.ringing", "call.in_progress"), ("call.completed",)])


class SubscriberRules(WatchedMachine):
    @initialize(tenant=_tenants, filters=st.tuples(filters, filters), shown=st.integers(1, 6))
    def there_are_subscribers(self, tenant: str, filters: tuple[tuple[str, ...], ...], shown: int) -> None:
        """Begin with what most is about: a call with two subscribers, and some news."""
        self.begin()
        for url, events in zip(_URLS, filters, strict=False):
            self.subscribe(self.truth.calls[0], tenant, url, events)
        self.truth.calls[0].shown = min(shown, len(self.truth.calls[0].life))

    def living(self) -> list[Subscription]:
        return [one for one in self.truth.subscriptions if one.living]

    def replayable(self) -> list[Subscription]:
        """Return whose events may be asked for again: those that live, before them one that does not."""
        some = [one for one in self.truth.subscriptions if one.call.written]
        return [*[one for one in some if not one.living][-1:], *[one for one in some if one.living]]

    def lanes(self, one: Subscription) -> list[str]:
        return [f"{one.id}/{sequence}" for sequence in one.lanes]

    @rule(number=which, tenant=_tenants, url=_urls, events=filters)
    def a_tenant_subscribes(self, number: int, tenant: str, url: str, events: tuple[str, ...]) -> None:
        self.subscribe(pick(self.truth.calls, number), tenant, url, events)

    def subscribe(self, call: Call, tenant: str, url: str, events: tuple[str, ...]) -> None:
        known = self.truth.registered(call, tenant, url)
        if known:
            self.subscribe_again(known)
            return
        registration = self.installation.register(call.sid, tenant, url, events)
        assert not isinstance(registration, Refused)
        assert registration.created, "one that was not there was found"
        fresh = not self.truth.followed(call) and not call.ended
        one = Subscription(len(self.truth.subscriptions), registration.id, call, tenant, url, events)
        self.truth.subscriptions.append(one)
        if fresh:
            call.follow()
        assert registration.deliver_now is bool(call.written), "it does not hear of what has happened"
        self.look(calls=[call] if fresh else ())
        if fresh:
            self._check_place_in_due(call, poll_now=registration.poll_now)

    def _check_place_in_due(self, call: Call, *, poll_now: bool) -> None:
        due = self.due(call)
        if call.left_due is not None and not self.is_due(call.left_due):
            assert due == call.left_due, "a call that comes back has another place than it left"
        else:
            assert self.is_due(due), "a call that is new is not due"
            assert poll_now, "nobody is told that a call is due"
        call.left_due = None

    @precondition(lambda self: self.living())
    @rule(number=which, vain=st.sampled_from(["registered again", "changed to what it is", "without room"]))
    def a_tenant_asks_for_nothing_new(self, number: int, vain: str) -> None:
        one = pick(self.living(), number)
        match vain:
            case "registered again":
                self.subscribe_again(one)
            case "changed to what it is":
                same = SubscriptionChange(one.url, EventFilter(one.events), paused=one.status == "paused")
                assert self.installation.change(one, same) is Changed.DONE
                self.look_same()
            case _ if not one.call.ended:
                refused = self.installation.register(one.call.sid, one.tenant, "https://four.example.com/", (), room=0)
                assert refused == Refused(Full.ACTIVE_SUBSCRIPTIONS), "there was no room"
                self.look_same()

    def subscribe_again(self, one: Subscription) -> None:
        """Send a registration whose answer was lost; the filter of the second does not count."""
        found = self.installation.register(one.call.sid, one.tenant, one.url, ("final",))
        assert not isinstance(found, Refused)
        assert (found.id, found.created) == (one.id, False), "registered twice"
        self.look_same()

    @precondition(lambda self: self.truth.subscriptions)
    @rule(number=which)
    def a_tenant_cancels(self, number: int) -> None:
        ended = [one for one in self.truth.subscriptions if not one.living]
        self.cancel(pick([*ended[-1:], *self.living()], number))

    def cancel(self, one: Subscription) -> None:
        lanes = self.lanes(one)
        if not self.installation.cancel(one):
            assert not one.living, "it could not be cancelled"
            self.look_same()
            return
        assert one.living, "it was cancelled twice"
        self.end(one, "cancelled", lanes)

    def end(self, one: Subscription, status: Literal["cancelled", "disabled"], lanes: list[str]) -> None:
        """Take over that a subscription has ended, which had these lanes."""
        due = self.due(one.call)
        one.end(status)
        if not self.truth.of_call(one.call) and not one.call.ended:
            one.call.left_due = due
        self.look(calls=[one.call] if not self.truth.followed(one.call) else (), places=[one.id, *lanes])

    @precondition(lambda self: self.living())
    @rule(number=which, what=st.sampled_from(["pause", "pause", "events", "url"]), events=filters, url=_urls)
    def a_tenant_changes_something(self, number: int, what: str, events: tuple[str, ...], url: str) -> None:
        one = pick(self.living(), number)
        match what:
            case "pause":
                self.pause(one, paused=one.status == "active")
            case "events" if one.events != events:
                self.change_events(one, events)
            case "url" if one.url != url:
                self._move(one, url)

    def change_events(self, one: Subscription, events: tuple[str, ...]) -> None:
        self._change(one, SubscriptionChange(events=EventFilter(events)))

    def pause(self, one: Subscription, *, paused: bool) -> None:
        self._change(one, SubscriptionChange(paused=paused))
        if one.status == "paused":
            places = [self.place(one, member) for member in [one.id, *self.lanes(one)]]
            assert all(score is None or leased(score) for score in places), "a paused one has a place"

    def _move(self, one: Subscription, url: str) -> None:
        """Send a subscription's events elsewhere, unless another one of the tenant and the call goes there."""
        if self.truth.registered(one.call, one.tenant, url):
            assert self.installation.change(one, SubscriptionChange(callback_url=url)) is Changed.URL_TAKEN, (
                "another's URL"
            )
            self.look_same()
        else:
            self._change(one, SubscriptionChange(callback_url=url))

    def _change(self, one: Subscription, change: SubscriptionChange) -> None:
        members = [one.id, *self.lanes(one)]
        under_way = {member: score for member in members if leased(score := self.place(one, member))}
        assert self.installation.change(one, change) in {Changed.DONE, Changed.DONE_WITH_MORE}, "it was not changed"
        one.changes += 1
        one.url = change.callback_url or one.url
        one.events = one.events if change.events is None else change.events.names
        if change.paused is not None:
            one.status = "paused" if change.paused else "active"
        self.look(places=[member for member in members if member not in under_way])
        for member, score in under_way.items():
            assert self.place(one, member) == score, "an attempt under way has lost its lease"

    @precondition(lambda self: self.replayable())
    @rule(number=which, first=which, expected=st.sampled_from(["as it is", "another", "any"]))
    def a_tenant_wants_it_all_again(self, number: int, first: int, expected: str) -> None:
        self.replay(pick(self.replayable(), number), first, expected)

    def replay(self, one: Subscription, first: int, expected: str) -> None:
        sequence = 1 + first % len(one.call.written)
        cursor = {"as it is": one.cursor, "another": one.cursor + 1, "any": None}[expected]
        lanes, under_way = self.lanes(one), leased(self.place(one))
        wish = Replay(one.id, sequence, cursor)
        result = self.installation.replay(self.of(one.call), one, wish)
        if not one.living or expected == "another":
            assert result is (Redelivered.STALE if one.living else Redelivered.ENDED), "it went back"
            self.look_same()
            return
        assert result is Redelivered.DONE, "it is not sent again"
        one.replay(sequence, leased=under_way)
        self.look(places=lanes if under_way else [one.id, *lanes], moved_back=one)

    @precondition(lambda self: self.replayable())
    @rule(number=which, which_event=which)
    def a_tenant_wants_one_again(self, number: int, which_event: int) -> None:
        one = pick(self.replayable(), number)
        sequence = 1 + which_event % len(one.call.written)
        if one.fates.get(sequence) == "not wanted":
            return
        is_head = sequence == one.cursor + 1
        member = one.id if sequence > one.cursor else f"{one.id}/{sequence}"
        under_way = leased(self.place(one, member))
        wish = Retry(one.id, sequence, one.cursor if is_head else None)
        result = self.installation.retry(self.of(one.call), one, wish)
        if not one.living:
            assert result is Redelivered.ENDED, "what has ended is tried again"
            self.look_same()
            return
        assert result is Redelivered.DONE, "it is not sent again"
        one.retry(sequence, leased=under_way, is_head=is_head)
        self.look(places=() if under_way else [member])
        if one.status == "active" and not under_way:
            assert self.is_due(self.place(one, member)), "it is not tried now"
