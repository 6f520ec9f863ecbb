"""What may go wrong upstream, and how a call that it goes wrong with is to end."""

import asyncio
from dataclasses import dataclass

from tests.builders import LIFE, Pairs
from tests.e2e.stack import Stack, call_answer, new_path, new_sid
from tests.judge import Subscriber
from tests.peers import Reply

TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]


@dataclass(frozen=True, slots=True)
class Case:
    """What the upstream answers: first `replies`, then for ever `then`; a history stands for a good answer."""

    replies: tuple[Reply | Pairs, ...]
    then: Reply | Pairs
    lost: str = ""

    @property
    def types(self) -> list[str]:
        """The types that are to arrive: everything told, and `call.lost` where that is the end."""
        told = [len(one) for one in (*self.replies, self.then) if not isinstance(one, Reply)]
        return TYPES[: max(told, default=0)] + ["call.lost"] * bool(self.lost)


HANGS = Reply(hangs=True)
BUSY = ("busy", "2024-03-15T10:00:09Z")
CASES = {
    "fails, then works": Case((Reply(500), Reply(502)), LIFE),
    "fails in mid-call": Case((LIFE[:2], Reply(500), Reply(429)), LIFE),
    "talks nonsense": Case((Reply(200, b"<html>"), Reply(200, b'["completed"]')), LIFE),
    "answers about another call": Case((call_answer("OUT-another", (*LIFE[:2], BUSY)),), LIFE),
    "redirects": Case((Reply(307, headers={"location": "http://127.0.0.1:9/"}),), LIFE),
    "does not know it yet": Case((Reply(404), Reply(404)), LIFE),
    "hangs once": Case((HANGS,), LIFE),
    "forgets it for a moment": Case((LIFE[:3], Reply(404)), LIFE),
    "never knew it": Case((), Reply(404), lost="not_found"),
    "forgets it": Case((LIFE[:3],), Reply(404), lost="expired"),
    "denies the connector": Case((), Reply(401), lost="unauthorized"),
    "denies the connector in mid-call": Case((LIFE[:3],), Reply(401), lost="unauthorized"),
    "finds the SID invalid": Case((), Reply(400), lost="invalid_call_sid"),
    "never tells of an end": Case((), LIFE[:4], lost="watch_expired"),
    "fails for ever": Case((), Reply(500), lost="watch_expired"),
    "hangs for ever": Case((), HANGS, lost="watch_expired"),
}


async def follow_all(stack: Stack) -> dict[str, Subscriber]:
    """Have every case happen at the same time, for the patience with each takes seconds."""
    subscribers = {name: Subscriber(new_path(), new_sid()) for name in CASES}
    for name, one in subscribers.items():
        replies = [_reply(one.call_sid, told) for told in CASES[name].replies]
        stack.upstream.script(one.call_sid, *replies, then=_reply(one.call_sid, CASES[name].then))
    await asyncio.gather(*(stack.subscribe(one.call_sid, one.path) for one in subscribers.values()))
    return subscribers


def _reply(call_sid: str, told: Reply | Pairs) -> Reply:
    return told if isinstance(told, Reply) else call_answer(call_sid, told)
