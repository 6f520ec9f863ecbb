"""The last answer accepted for a call, and the diff of the next one against it."""

from dataclasses import dataclass, field, replace

from app.domain.call import PHASES, RANKS, TERMINAL, Answer, Phase, Transition, status_name


@dataclass(frozen=True, slots=True)
class Ahead:
    """A status the upstream has named although its history does not have it yet."""

    status: str
    at: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of a call.

    `seen` counts the transitions known by name; `latest` is the status of the newest of them, as the
    upstream writes it. `ahead` is a status waiting for its entry. `fingerprint` is that of the answer, empty where the
    very same answer would say something new. Times are RFC 3339 texts, empty where
    the upstream gave none.
    """

    status: str = ""
    latest: str = ""
    created_at: str = ""
    last_updated: str = ""
    client_env: str = ""
    seen: dict[str, int] = field(default_factory=dict)
    ahead: Ahead | None = None
    fingerprint: bytes = b""

    @property
    def known(self) -> bool:
        """Whether the upstream has ever answered with this call."""
        return bool(self.status)

    @property
    def ended(self) -> bool:
        return not TERMINAL.isdisjoint(self.seen)

    @property
    def phase(self) -> Phase:
        """The later of what the status and what the history say: either may run behind the other."""
        if self.ended:
            return Phase.ENDED
        names = {status_name(self.status), status_name(self.latest)} & PHASES.keys() - TERMINAL
        if names:
            return PHASES[max(names, key=RANKS.__getitem__)]
        return Phase.IN_PROGRESS if "in_progress" in self.seen else Phase.WAITING


@dataclass(frozen=True, slots=True)
class Change:
    """The snapshot after an answer, and the transitions that the one before did not have, in order."""

    snapshot: Snapshot
    transitions: tuple[Transition, ...]


def diff(before: Snapshot, answer: Answer) -> Change:
    """Compare an answer with the snapshot before it.

    Every entry of the history that is new becomes one transition. A status without an entry becomes one
    too, but only when the history has stood still for a whole poll since that status was seen: until
    then the entry (and others before it) may still come, and would come too late for their place.
    """
    if before.ended:
        return Change(before, ())
    seen = dict(before.seen)
    new = [step for step in answer.history if step.occurrence > seen.get(step.name, 0)]
    seen.update({step.name: step.occurrence for step in new})
    waited = before.ahead
    if waited and not new:
        name = status_name(waited.status)
        new.append(Transition(name, waited.status, 1, waited.at))
        seen[name] = 1
    after = replace(
        before,
        status=answer.status,
        latest=new[-1].status if new else before.latest,
        created_at=answer.created_at or before.created_at,
        last_updated=answer.last_updated or before.last_updated,
        client_env=answer.client_env or before.client_env,
        seen=seen,
        ahead=None if status_name(answer.status) in seen else Ahead(answer.status, answer.last_updated),
    )
    if after.ended:
        return Change(replace(after, ahead=None, fingerprint=b""), tuple(new))
    return Change(replace(after, fingerprint=b"" if after.ahead else answer.fingerprint), tuple(new))
