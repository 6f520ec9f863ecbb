"""A judge outside the service: compares what truly happened upstream with what each receiver got, in order.

It knows the public contract and nothing of the service's code. The truth is the simulator's log (one object per
call, with its `history` and the `polls` it was asked with); the other side is every request that arrived and was
accepted. A subscription is told by its path: each needs a URL of its own.

A delivery repeated with the same id and the same bytes is `repeated`: allowed where something crashed ("at least
once"), and nowhere else. Order goes by first arrivals.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TERMINAL = frozenset({"completed", "failed", "no-answer", "busy", "cancelled"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """An accepted request."""

    path: str
    webhook_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribed to which call; `types` are the event types that are wanted, None for all."""

    path: str
    call_sid: str
    types: frozenset[str] | None = None


@dataclass(slots=True)
class Judgement:
    """What was found. Each list holds a sentence for each case; `transitions` and the numbers count."""

    transitions: int = 0
    expected: int = 0
    delivered_once: int = 0
    delivered_more: int = 0
    repeated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    ids_disagree: list[str] = field(default_factory=list)
    wrong_finals: list[str] = field(default_factory=list)
    after_final: list[str] = field(default_factory=list)
    polls_after_end: list[str] = field(default_factory=list)

    def faults(self, *, crashed: bool = False) -> list[str]:
        """Return everything that breaks a promise; a crash excuses repetitions and a poll that was in vain."""
        kinds = {
            "differing": self.differing,
            "missing": self.missing,
            "unexpected": self.unexpected,
            "out of order": self.out_of_order,
            "ids disagree": self.ids_disagree,
            "wrong finals": self.wrong_finals,
            "after the final event": self.after_final,
        }
        if not crashed:
            kinds |= {"repeated": self.repeated, "polls after the end": self.polls_after_end}
        return [f"{kind}: {case}" for kind, cases in kinds.items() for case in cases]


@dataclass(frozen=True, slots=True)
class _Step:
    """A transition as it truly was; `place` counts from 1."""

    place: int
    type: str
    status: str
    previous: str | None
    at: datetime
    final: bool


def judge(
    log: Iterable[Mapping[str, Any]], subscribers: Sequence[Subscriber], deliveries: Iterable[Delivery]
) -> Judgement:
    """Judge a run whose calls are all over. `log` holds at least the calls that were subscribed to."""
    judgement = Judgement()
    followed = {subscriber.call_sid for subscriber in subscribers}
    entries = {str(entry["call_sid"]): entry for entry in log if entry["call_sid"] in followed}
    histories = {call_sid: _history(entry) for call_sid, entry in entries.items()}
    judgement.transitions = sum(len(history) for history in histories.values())
    by_path: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        by_path[delivery.path].append(delivery)
    ids: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for subscriber in subscribers:
        _judge_one(judgement, subscriber, histories[subscriber.call_sid], by_path.pop(subscriber.path, []), ids)
    judgement.unexpected += [f"{path}: nobody subscribed with this URL" for path in by_path]
    judgement.ids_disagree += [f"{sid} #{place}: {found}" for (sid, place), found in ids.items() if len(found) > 1]
    judgement.polls_after_end += [case for entry in entries.values() for case in _polls_after_end(entry)]
    return judgement


def _history(entry: Mapping[str, Any]) -> list[_Step]:
    steps: list[_Step] = []
    for told in entry["history"]:
        status = str(told["status"])
        kind = "call." + status.lower().replace("-", "_")
        previous = steps[-1].status if steps else None
        at = datetime.fromisoformat(told["timestamp"])
        steps.append(_Step(len(steps) + 1, kind, status, previous, at, status in TERMINAL))
        if status in TERMINAL:
            break
    return steps


def _judge_one(
    judgement: Judgement,
    subscriber: Subscriber,
    history: Sequence[_Step],
    deliveries: Sequence[Delivery],
    ids: defaultdict[tuple[str, int], set[str]],
) -> None:
    wanted = {step.place: step for step in history if subscriber.types is None or step.type in subscriber.types}
    first: dict[int, Delivery] = {}
    times: defaultdict[int, int] = defaultdict(int)
    ended = False
    for delivery in deliveries:
        step = _step_of(delivery, subscriber, wanted)
        if step is None:
            judgement.unexpected.append(f"{subscriber.path}: {delivery.body[:300].decode(errors='replace')}")
            continue
        name = f"{subscriber.path} #{step.place} {step.type}"
        times[step.place] += 1
        ids[subscriber.call_sid, step.place].add(delivery.webhook_id)
        if known := first.get(step.place):
            same = (known.webhook_id, known.body) == (delivery.webhook_id, delivery.body)
            (judgement.repeated if same else judgement.differing).append(name)
            continue
        if any(place > step.place for place in first):
            judgement.out_of_order.append(name)
        if ended:
            judgement.after_final.append(name)
        ended = ended or step.final
        first[step.place] = delivery
    judgement.expected += len(wanted)
    judgement.delivered_once += sum(count == 1 for count in times.values())
    judgement.delivered_more += sum(count > 1 for count in times.values())
    judgement.missing += [f"{subscriber.path} #{place} {wanted[place].type}" for place in wanted if place not in first]
    finals = sum(wanted[place].final for place in first)
    if finals != sum(step.final for step in wanted.values()):
        judgement.wrong_finals.append(f"{subscriber.path}: {finals}")


def _step_of(delivery: Delivery, subscriber: Subscriber, wanted: Mapping[int, _Step]) -> _Step | None:
    """Return the transition that a delivery tells of, or None when it tells of none that truly was."""
    try:
        document = json.loads(delivery.body)
        data = document["data"]
        step = wanted[data["sequence"]]
        truth = (step.type, step.status, step.previous, step.final, step.at, step.at, subscriber.call_sid)
        told = (
            document["type"],
            data["status"],
            data["previous_status"],
            data["final"],
            datetime.fromisoformat(data["occurred_at"]),
            datetime.fromisoformat(document["timestamp"]),
            data["call_sid"],
        )
    except (ValueError, KeyError, TypeError):
        return None
    return step if told == truth and data["event_id"] == delivery.webhook_id else None


def _polls_after_end(entry: Mapping[str, Any]) -> list[str]:
    """Polls that came although one before had shown the final status."""
    shown = [poll["status"] in TERMINAL for poll in entry["polls"]]
    late = len(shown) - shown.index(True) - 1 if True in shown else 0
    return [f"{entry['call_sid']}: {late}"] if late else []
