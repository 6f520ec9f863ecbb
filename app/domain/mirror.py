"""What is told of a followed call in the upstream's place, from what is kept of it.

Whoever asks here must see what the upstream would have answered: the last snapshot while there is one, also long
after the upstream has forgotten the call; before the first snapshot, what the upstream said last.
"""

from collections.abc import Iterable

from app.domain import dialect
from app.domain.call import Answer, Transition
from app.domain.dialect import WrittenAnswer
from app.domain.event import Event
from app.domain.snapshot import Snapshot
from app.domain.watch import Watch

_LOST = {"unauthorized": dialect.INVALID_CONNECTOR, "invalid_call_sid": dialect.INVALID_CALL_SID}


def mirrored(watch: Watch, events: Iterable[Event]) -> WrittenAnswer | None:
    """Return what is told of a call, or None while the upstream has said nothing about it yet."""
    if watch.snapshot.known:
        answer = last_answer(watch.snapshot, events)
        return WrittenAnswer(200, dialect.write_answer(answer, watch.key))
    if watch.lost:
        return _LOST.get(watch.lost, dialect.UNKNOWN_CALL)
    trouble = watch.trouble
    if trouble.refusals:
        return dialect.INVALID_CONNECTOR
    if trouble.failures:
        return dialect.UPSTREAM_FAILED
    return dialect.UNKNOWN_CALL if trouble.denied_since else None


def last_answer(snapshot: Snapshot, events: Iterable[Event]) -> Answer:
    """Return the upstream's last answer, put together from a known snapshot and the call's events.

    A call is not asked for again once its history has ended: a status that ran behind the history just then
    would stay for ever, and a client that waits for the end would never stop. So the end is the status then.
    """
    told = [event for event in events if not event.reason]
    history = tuple(Transition(event.name, event.status, event.occurrence, event.occurred_at) for event in told)
    status, last_updated = snapshot.status, snapshot.last_updated
    if snapshot.ended and told and status != snapshot.latest:
        status, last_updated = snapshot.latest, told[-1].occurred_at
    return Answer(status, snapshot.created_at, last_updated, snapshot.client_env, history)
