"""A subscription's metadata through its changes: an event keeps for ever what was in force when it was written.

Every attempt and every replay of a delivery must send the same bytes, so a change applies to later events only.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormerMetadata:
    """What applied before a change: to events up to the sequence `last`, from where the one before it ended."""

    last: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetadataVersions:
    """The newest metadata, and the former ones that events carry, their `last` ascending."""

    newest: Mapping[str, str]
    former: tuple[FormerMetadata, ...] = ()

    def at(self, sequence: int) -> Mapping[str, str]:
        """Return what the event of that sequence carries."""
        for one in self.former:
            if sequence <= one.last:
                return one.metadata
        return self.newest

    def changed(self, metadata: Mapping[str, str], events_written: int) -> "MetadataVersions":
        """Return the versions once `metadata` applies to every event after the first `events_written`.

        A version that no event carries is replaced, so there are never more of them than events.
        """
        if metadata == self.newest:
            return self
        carried_before = self.former[-1].last if self.former else 0
        if events_written <= carried_before:
            return MetadataVersions(metadata, self.former)
        return MetadataVersions(metadata, (*self.former, FormerMetadata(events_written, self.newest)))
