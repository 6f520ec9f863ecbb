"""How things are written in Redis: they come back as they were, and a newer layout is recognised."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.event import CallNames
from app.domain.snapshot import Ahead, Snapshot
from app.domain.watch import Trouble, Watch, new_watch
from app.store import codec
from app.store.codec import Lines, PackedWatch, UnknownLayout
from app.store.vault import Vault
from tests.builders import CONNECTOR, make_event, make_key, make_snapshot, make_watch

VAULT = Vault([base64.urlsafe_b64encode(bytes(32)).decode()])
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# Kept to the millisecond.
_times = st.integers(0, 2**42).map(lambda milliseconds: milliseconds / 1000)
_snapshots = st.builds(
    Snapshot,
    *[_texts] * 5,
    seen=st.dictionaries(_texts, st.integers(1, 1000), max_size=4),
    ahead=st.none() | st.builds(Ahead, _texts, _texts),
)
_watches = st.builds(
    make_watch,
    registered_at=_times,
    phase_since=_times,
    snapshot=_snapshots,
    trouble=st.builds(Trouble, st.integers(0, 10**6), st.integers(0, 9), _times),
    lost=st.none() | st.sampled_from(["expired", "unauthorized"]),
)
_events = st.builds(
    make_event,
    name=_texts,
    occurrence=st.integers(1, 2**48),
    status=_texts,
    previous=_texts,
    occurred_at=_texts,
    observed_at=_times,
    reason=_texts,
)


LINES = Lines(VAULT)


def packed(watch: Watch) -> PackedWatch:
    line, call = LINES.pack(watch.key), codec.pack_call(watch.key, watch.registered_at)
    return PackedWatch((line,), call, codec.pack_state(watch), codec.pack_told(watch.snapshot), None)


@given(_watches)
def test_a_watch_comes_back_as_it_was(watch: object) -> None:
    assert isinstance(watch, type(make_watch()))
    assert LINES.unpack_watch(packed(watch)) == watch


@given(_watches)
def test_its_state_alone_tells_the_phase(watch: object) -> None:
    assert isinstance(watch, type(make_watch()))
    assert codec.unpack_phase(codec.pack_state(watch)) is watch.snapshot.phase


@given(_events)
def test_an_event_comes_back_as_it_was(event: object) -> None:
    assert isinstance(event, type(make_event()))
    assert codec.unpack_event(codec.pack_event(event)) == event


def test_a_calls_names_are_read_without_any_key() -> None:
    key = make_key()

    written = packed(make_watch(key=key))

    assert codec.unpack_names(written.line, written.call) == CallNames.of(key)
    assert CONNECTOR.encode() not in b"".join(written.line)


def test_a_call_that_was_never_polled_is_what_was_registered() -> None:
    watch = make_watch()
    new = packed(watch)._replace(state=None, told=None)

    assert LINES.unpack_watch(new) == new_watch(watch.key, watch.registered_at)
    again = LINES.unpack_watch(new._replace(again_ms=b"1710500000250"))
    assert (again.registered_at, again.phase_since) == (1710500000.25, watch.registered_at)


def test_what_a_newer_version_appended_is_passed_over() -> None:
    watch = make_watch(snapshot=make_snapshot())
    old = packed(watch)
    line, call, state, told = (
        codec.pack([*codec.unpack(part or b""), "news"]) for part in (old.line[0], old.call, old.state, old.told)
    )

    assert LINES.unpack_watch(PackedWatch((line,), call, state, told, None)) == watch
    assert codec.unpack_event(codec.pack([*codec.unpack(codec.pack_event(make_event())), 7])) == make_event()


@pytest.mark.parametrize("written", [b"", b"\x00\x90", b"\x02\x90", b"\xff"])
def test_another_layout_is_said_to_be_one(written: bytes) -> None:
    with pytest.raises(UnknownLayout, match="newer Ringback"):
        codec.unpack(written)


def test_only_our_own_errors_are_borne_when_a_row_is_read(caplog: pytest.LogCaptureFixture) -> None:
    assert codec.readable(lambda row: codec.unpack(row[0]), [b"\x02\x90"]) is None
    assert "newer Ringback" in str([vars(record) for record in caplog.records])
    with pytest.raises(ZeroDivisionError):
        codec.readable(lambda row: 1 / len(row), [])


def test_times_are_kept_to_the_millisecond() -> None:
    watch = make_watch(registered_at=1710496800.1234)

    read = LINES.unpack_watch(packed(watch))

    assert read == replace(watch, registered_at=1710496800.123, phase_since=1710496800.123)
