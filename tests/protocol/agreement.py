"""Whether what Redis holds agrees with the truth: the invariants of docs/architecture.md, each as an assertion."""

from collections import Counter
from collections.abc import Collection, Mapping

from app.domain.subscription import EventFilter, registration_digest
from app.store.keys import Partition
from app.store.subscription_records import filter_text
from tests.builders import make_key
from tests.protocol.picture import Picture
from tests.protocol.truth import LOST, Call, Subscription, Truth


def watch_id(call: Call) -> str:
    return make_key(call_sid=call.sid).watch_id


def check(truth: Truth, picture: Picture, before: Picture, calls: Collection[Call], partition: Partition) -> None:
    """Compare a partition, to which `calls` belong, with the truth and with what it held before."""
    subscriptions = [one for one in truth.subscriptions if one.call in calls]
    known = [call for call in calls if call.known]
    followed = {watch_id(call) for call in known if truth.followed(call)}
    assert picture.due.keys() == followed, f"due is {sorted(picture.due)}, followed are {sorted(followed)}"
    assert picture.calls.keys() == {watch_id(call) for call in known}, "there are other calls than were registered"
    assert picture.lines >= {watch_id(call)[:12] for call in known}, "a call has lost its account"
    for call in known:
        _check_call(call, picture, before)
        _check_registrations(truth, call, picture)
    _check_outbox(subscriptions, picture.outbox)
    assert picture.subscriptions.keys() == {one.id for one in subscriptions}, "there are other subscriptions"
    for one in subscriptions:
        _check_subscription(one, picture)
        assert partition.subscription(one.id).startswith(partition.prefix)
    _check_counts(subscriptions, picture)


def _check_call(call: Call, picture: Picture, before: Picture) -> None:
    kept = picture.calls[watch_id(call)]
    expected = [(one.name, one.occurrence) for one in call.written if one != LOST]
    happened = list(kept.happened)
    if call.written and call.written[-1] == LOST:
        assert [name for name, _ in happened[-1:]] == [LOST.name], f"{call.sid} is not written down as lost"
        happened.pop()
    assert happened == expected, f"the events of {call.sid} are {happened}, and not {expected}"
    told = picture.journal.get(watch_id(call), ())
    assert told == tuple(range(1, len(call.written) + 1)), f"the journal tells of {call.sid} {told}"
    former = before.calls.get(watch_id(call))
    if former:
        assert kept.written[: len(former.written)] == former.written, f"an event of {call.sid} has changed"
    final = f"call.{call.written[-1].name}".encode() if call.ended else None
    assert kept.row.get("f") == final, f"the final type of {call.sid} is {kept.row.get('f')!r}, and not {final!r}"
    assert int(kept.row.get("n", 0)) == call.recorded, f"{kept.row.get('n')!r} polls of {call.sid} are counted"


def _check_registrations(truth: Truth, call: Call, picture: Picture) -> None:
    wanted = {
        registration_digest(one.tenant, one.url): f"{one.id} {filter_text(EventFilter(one.events))}"
        for one in truth.of_call(call)
    }
    kept = picture.registrations.get(watch_id(call), {})
    assert kept == wanted, f"registered for {call.sid} is {kept}, and not {wanted}"


def _check_outbox(subscriptions: Collection[Subscription], outbox: Mapping[str, float]) -> None:
    lanes = {f"{one.id}/{sequence}": one.status == "active" for one in subscriptions for sequence in one.lanes}
    allowed = {one.id for one in subscriptions if one.may_wait} | lanes.keys()
    needed = {one.id for one in subscriptions if one.must_wait} | {lane for lane, active in lanes.items() if active}
    assert outbox.keys() >= needed, f"forgotten in the outbox: {needed - outbox.keys()}"
    assert outbox.keys() <= allowed, f"nothing to deliver in the outbox: {outbox.keys() - allowed}"


def _check_subscription(one: Subscription, picture: Picture) -> None:
    row = picture.subscriptions[one.id]
    stands = (row["st"].decode(), int(row["c"]), int(row["a"]), row["t"].decode(), row["w"].decode())
    expected = (one.status, one.cursor, one.failures, one.tenant, watch_id(one.call))
    assert stands == expected, f"subscription {one.number} stands at {stands}, and not at {expected}"
    lanes = {int(name[1:]): int(value) for name, value in row.items() if name[0] == "r" and name[1:].isdigit()}
    assert lanes == one.lanes, f"subscription {one.number} has the lanes {lanes}, and not {one.lanes}"
    logged = picture.logs[one.id]
    assert logged == one.logged, f"subscription {one.number} has {logged} attempts, and not {one.logged}"


def _check_counts(subscriptions: Collection[Subscription], picture: Picture) -> None:
    active = Counter(one.tenant for one in subscriptions if one.counted)
    kept = {tenant: count for tenant, count in picture.active.items() if count}
    assert kept == active, f"counted as active are {kept}, and there are {dict(active)}"
    given_up = {
        f"{one.id}/{sequence}" for one in subscriptions for sequence, fate in one.fates.items() if fate == "given up"
    }
    assert picture.failed == given_up, f"kept as failed are {sorted(picture.failed)}, and not {sorted(given_up)}"
    everyone = sorted(one.id for one in subscriptions)
    assert sorted(picture.index) == sorted(picture.indexed_by_call) == everyone, "an index misses a subscription"
