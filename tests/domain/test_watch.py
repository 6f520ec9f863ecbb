"""A watch begins knowing nothing, and ends with the call or with the hope of following it."""

from app.domain.snapshot import Snapshot
from app.domain.watch import NO_TROUBLE, new_watch
from tests.builders import START, make_key, make_snapshot, make_watch


def test_a_new_watch_knows_nothing_and_is_in_no_trouble() -> None:
    watch = new_watch(make_key(), START)
    assert watch.snapshot == Snapshot()
    assert watch.trouble == NO_TROUBLE
    assert watch.registered_at == watch.phase_since == START
    assert not watch.ended
    assert not watch.snapshot.known


def test_a_watch_ends_with_its_call_or_when_the_call_is_lost() -> None:
    assert not make_watch(snapshot=make_snapshot()).ended
    assert make_watch(snapshot=make_snapshot(seen={"ringing": 1, "busy": 1})).ended
    assert make_watch(lost="not_found").ended


def test_two_watches_never_share_a_snapshot() -> None:
    one, other = (new_watch(make_key(), START) for _ in range(2))
    assert one.snapshot.seen is not other.snapshot.seen
