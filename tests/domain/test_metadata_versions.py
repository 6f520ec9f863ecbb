"""Metadata through its changes: once an event is written, what it carries never changes."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.domain.metadata_versions import FormerMetadata, MetadataVersions
from tests.domain.strategies import RULE

# Few and small, so that a draw often comes back to what was there before.
_METADATA = st.dictionaries(st.sampled_from(["deal", "stage"]), st.sampled_from(["1", "2"]))
# What happens to a subscription: an event is written (None), or its metadata is changed.
_HAPPENINGS = st.lists(st.none() | _METADATA, max_size=30)


def _after(start: Mapping[str, str], happenings: Sequence[Mapping[str, str] | None]) -> list[MetadataVersions]:
    """Return the versions after each happening, in order."""
    versions, written, seen = MetadataVersions(start), 0, []
    for change in happenings:
        if change is None:
            written += 1
        else:
            versions = versions.changed(change, written)
        seen.append(versions)
    return seen


@RULE
@given(_METADATA, _HAPPENINGS)
def test_an_event_keeps_what_was_in_force_when_it_was_written(
    start: dict[str, str], happenings: list[dict[str, str] | None]
) -> None:
    in_force, carried = start, []
    for change, versions in zip(happenings, _after(start, happenings), strict=True):
        if change is None:
            carried.append(in_force)
        else:
            in_force = change
        assert versions.newest == in_force
        assert [versions.at(sequence) for sequence in range(1, len(carried) + 1)] == carried
        assert versions.at(len(carried) + 1) == in_force


@RULE
@given(_METADATA, _HAPPENINGS)
def test_every_version_that_is_kept_is_carried_by_an_event(
    start: dict[str, str], happenings: list[dict[str, str] | None]
) -> None:
    for versions in _after(start, happenings):
        ends = [0, *(one.last for one in versions.former)]
        assert ends == sorted(set(ends))
        assert ends[-1] <= happenings.count(None)


def test_changes_before_the_first_event_leave_one_version() -> None:
    versions = MetadataVersions({"deal": "1"}).changed({"deal": "2"}, 0).changed({"deal": "3"}, 0)

    assert versions == MetadataVersions({"deal": "3"})


def test_a_change_applies_to_later_events_only() -> None:
    versions = MetadataVersions({"deal": "1"}).changed({"deal": "2"}, 3)

    assert versions.former == (FormerMetadata(3, {"deal": "1"}),)
    assert [versions.at(sequence)["deal"] for sequence in (1, 3, 4, 9)] == ["1", "1", "2", "2"]


def test_the_same_again_is_no_change() -> None:
    versions = MetadataVersions({"deal": "1"})

    assert versions.changed({"deal": "1"}, 5) is versions
