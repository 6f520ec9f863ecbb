"""A judge outside the service: compares what truly happened upstream with what each receiver got, in order.

It knows the public contract and nothing of the service's code. The truth is the simulator's log (one object per
call, with its `history` and the `polls` it was asked with); the other side is every request that arrived, those that
were accepted and those that were refused. A subscription is told by its path: each needs a URL of its own.

A delivery repeated with the same id and the same bytes is `repeated`: allowed where something crashed ("at least
once"), and nowhere else. Order goes by first arrivals. One exception is known: an event that its receiver has refused
four times may be passed by a later one (docs/decisions/0008). It counts as `overtaken` where the refusals prove it,
else as out of order.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.judgement import Acceptance, Judgement
from tests.receiving import Silence, objection_to, too_many_while_silent

TERMINAL = frozenset({"completed", "failed", "no-answer", "busy", "cancelled"})
# So often has an event been refused before a later one may pass it.
REFUSALS_BEFORE_PASSING = 4
# What tells a receiver of the end knows it from Redis: after that only a poll that stood still may ask, one a worker.
_POLLS_UNDER_WAY = 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it arrived, `at` which moment in Unix seconds and with which `headers` if anybody looked."""

    path: str
    webhook_id: str
    body: bytes
    at: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribed to which call; `types` are the event types that are wanted, None for all.

    With a `secret`, each of its requests must be signed with it. `silences` are when nothing was wanted, from the
    answer to a pause or a cancellation on. One that has `cancelled` need not get what comes after. `beside` says that
    there is another subscription to the call, one that wants all.
    """

    path: str
    call_sid: str
    types: frozenset[str] | None = None
    secret: str = ""
    silences: tuple[Silence, ...] = ()
    cancelled: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """A transition as it truly was; `place` counts from 1, and `truth` is what its event must tell."""

    place: int
    type: str
    final: bool
    happened: float
    truth: tuple[object, ...]


# The ids found for what must have only one.
_Ids = defaultdict[str, set[str]]


def judge(
    log: Iterable[Mapping[str, Any]],
    subscribers: Sequence[Subscriber],
    accepted: Iterable[Delivery],
    refused: Iterable[Delivery] = (),
) -> Judgement:
    """Judge a run whose calls are all over. `log` holds at least the calls that were subscribed to.

    Refused is what was answered with anything but 2xx, or not at all.
    """
    judgement = Judgement()
    followed = {subscriber.call_sid for subscriber in subscribers}
    entries = {str(entry["call_sid"]): entry for entry in log if entry["call_sid"] in followed}
    histories = {call_sid: _history(entry) for call_sid, entry in entries.items()}
    judgement.transitions = sum(len(history) for history in histories.values())
    taken, returned = _by_path(accepted), _by_path(refused)
    ids: _Ids = defaultdict(set)
    ended: dict[str, float] = {}
    for subscriber in subscribers:
        hearing = _Hearing(judgement, subscriber, histories[subscriber.call_sid], ids)
        its_refused, its_accepted = returned.pop(subscriber.path, []), taken.pop(subscriber.path, [])
        _look_at_requests(judgement, subscriber, its_refused + its_accepted)
        for delivery in its_refused:
            hearing.refused(delivery)
        for delivery in its_accepted:
            hearing.accepted(delivery)
        hearing.close()
        if hearing.ended_at is not None:
            ended[subscriber.call_sid] = min(ended.get(subscriber.call_sid, math.inf), hearing.ended_at)
    judgement.unexpected += [f"{path}: nobody subscribed with this URL" for path in taken.keys() | returned.keys()]
    judgement.ids_disagree += [f"{what}: {sorted(found)}" for what, found in ids.items() if len(found) > 1]
    for entry in entries.values():
        if late := _polls_after_end(entry):
            judgement.late_polls += late
            judgement.polls_after_end.append(f"{entry['call_sid']}: {late}")
        useless = sum(poll["at"] > ended.get(entry["call_sid"], math.inf) for poll in entry["polls"])
        if useless > _POLLS_UNDER_WAY:
            judgement.polls_after_told.append(f"{entry['call_sid']}: {useless}")
    return judgement


class _Hearing:
    """What one subscriber has to say. Refusals are heard first, because they excuse what was accepted later."""

    def __init__(self, judgement: Judgement, subscriber: Subscriber, history: Sequence[_Step], ids: _Ids) -> None:
        self._judgement = judgement
        self._path, self._call_sid = subscriber.path, subscriber.call_sid
        self._wanted = {one.place: one for one in history if subscriber.types is None or one.type in subscriber.types}
        self._ids = ids
        self._cancelled, self._beside = subscriber.cancelled, subscriber.beside
        self._told: dict[int, Delivery] = {}
        self._refused: defaultdict[int, list[Delivery]] = defaultdict(list)
        # By place, in the order of first acceptance.
        self._first: dict[int, Delivery] = {}
        self._times: Counter[int] = Counter()
        self._finals: set[str] = set()

    @property
    def ended_at(self) -> float | None:
        """When the final event was accepted first, in Unix seconds; None if it was not, or nobody looked."""
        return next((one.at for place, one in self._first.items() if self._wanted[place].final), None)

    def refused(self, delivery: Delivery) -> None:
        if step := self._identify(delivery, _read(delivery)):
            self._refused[step.place].append(delivery)

    def accepted(self, delivery: Delivery) -> None:
        document = _read(delivery)
        if document.get("final") is True:
            self._finals.add(delivery.webhook_id)
        step = self._identify(delivery, document)
        if step is None:
            return
        self._times[step.place] += 1
        if known := self._first.get(step.place):
            if (known.webhook_id, known.body) == (delivery.webhook_id, delivery.body):
                self._judgement.repeated.append(self._name(step))
            return
        self._look_at_order(step)
        self._first[step.place] = delivery
        if delivery.at is not None:
            self._judgement.acceptances.append(Acceptance(step.happened, delivery.at))

    def close(self) -> None:
        judgement = self._judgement
        if self._cancelled:
            judgement.cancelled += 1
            return
        judgement.expected += len(self._wanted)
        judgement.expected_beside += len(self._wanted) * self._beside
        judgement.delivered_once += sum(count == 1 for count in self._times.values())
        judgement.delivered_more += sum(count > 1 for count in self._times.values())
        judgement.missing += [self._name(step) for place, step in self._wanted.items() if place not in self._first]
        judgement.finals[len(self._finals)] += 1
        if len(self._finals) != sum(step.final for step in self._wanted.values()):
            judgement.wrong_finals.append(f"{self._path}: {len(self._finals)}")

    def _name(self, step: _Step) -> str:
        return f"{self._path} #{step.place} {step.type}"

    def _identify(self, delivery: Delivery, told: Mapping[str, Any]) -> _Step | None:
        """Return the transition that a delivery tells of, or None when it tells of none that truly was."""
        place = told.get("sequence")
        # JSON's true is no 1, though Python's is.
        step = self._wanted.get(place) if type(place) is int else None
        if step is None or told["truth"] != step.truth or told["event_id"] != delivery.webhook_id:
            self._judgement.unexpected.append(f"{self._path}: {delivery.body[:300].decode(errors='replace')}")
            return None
        self._ids[f"{self._call_sid} #{step.place}"].add(delivery.webhook_id)
        self._ids[f"{self._path} subscription"].add(str(told["subscription_id"]))
        known = self._told.setdefault(step.place, delivery)
        if known.webhook_id == delivery.webhook_id and known.body != delivery.body:
            later = _without_knowledge(known) == _without_knowledge(delivery)
            (self._judgement.known_later if later else self._judgement.differing).append(self._name(step))
        return step

    def _look_at_order(self, step: _Step) -> None:
        passed_by = next((one for place, one in self._first.items() if place > step.place), None)
        if passed_by is None:
            return
        if self._may_be_passed(step, passed_by):
            self._judgement.overtaken.append(self._name(step))
            return
        self._judgement.out_of_order.append(self._name(step))
        if any(self._wanted[place].final for place in self._first):
            self._judgement.after_final.append(self._name(step))

    def _may_be_passed(self, step: _Step, passed_by: Delivery) -> bool:
        if passed_by.at is None:
            return False
        before = [one for one in self._refused[step.place] if one.at is not None and one.at < passed_by.at]
        return len(before) >= REFUSALS_BEFORE_PASSING


def _look_at_requests(judgement: Judgement, subscriber: Subscriber, arrived: Sequence[Delivery]) -> None:
    for one in arrived if subscriber.secret else ():
        if objection := objection_to(one.headers, one.body, one.at, subscriber.secret):
            judgement.not_genuine.append(f"{one.path} {one.webhook_id}: {objection}")
    moments = [one.at for one in arrived if one.at is not None]
    if count := too_many_while_silent(moments, subscriber.silences):
        judgement.unwanted.append(f"{subscriber.path}: {count}")


def _by_path(deliveries: Iterable[Delivery]) -> dict[str, list[Delivery]]:
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        found[delivery.path].append(delivery)
    return dict(found)


def _history(entry: Mapping[str, Any]) -> list[_Step]:
    steps: list[_Step] = []
    previous: str | None = None
    for told in entry["history"]:
        status = str(told["status"])
        kind = "call." + status.lower().replace("-", "_")
        moment = datetime.fromisoformat(told["timestamp"])
        final = status in TERMINAL
        owner = (entry["call_sid"], entry["account_id"], entry["project_id"])
        truth = (kind, status, previous, repr(final), moment, moment, *owner)
        steps.append(_Step(len(steps) + 1, kind, final, float(told["at"]), truth))
        if final:
            break
        previous = status
    return steps


def _read(delivery: Delivery) -> dict[str, Any]:
    """Return a body's data, with all of it that can be held against the `truth`; nothing if it is no event."""
    try:
        document = json.loads(delivery.body)
        data: dict[str, Any] = document["data"]
        moments = (datetime.fromisoformat(data["occurred_at"]), datetime.fromisoformat(document["timestamp"]))
        state = (document["type"], data["status"], data["previous_status"], repr(data["final"]))
        truth = (*state, *moments, data["call_sid"], data["account_id"], data["project_id"])
        return {name: data[name] for name in ("event_id", "sequence", "final", "subscription_id")} | {"truth": truth}
    except (ValueError, KeyError, TypeError):
        return {}


def _without_knowledge(delivery: Delivery) -> str:
    """Return a body that was read before without what it says of when its event became known."""
    document = json.loads(delivery.body)
    document["data"].pop("observed_at", None)
    return json.dumps(document)


def _polls_after_end(entry: Mapping[str, Any]) -> int:
    """How many polls came although one before had shown the final status."""
    shown = [poll["status"] in TERMINAL for poll in entry["polls"]]
    return len(shown) - shown.index(True) - 1 if True in shown else 0
