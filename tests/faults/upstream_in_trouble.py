"""An upstream that fails, is slow or in a muddle. Calls are placed and go on all the same."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.faults.effect import something
from tests.faults.fault import Fault, Happens
from tests.faults.receivers import after
from tests.faults.stage import Stage
from tests.peers import Reply, answer

# Of an app that answers as the vendor does, an app that does not.
Trouble = Callable[[ASGIApp, Random], ASGIApp]

# While all polls fail, one call asks for all, the last pauses being 4 s or 8 s; polls are let through within 3 s then.
_HEALS_SECONDS = 25.0
# The stage's timeout of a poll is 2 s.
_BARELY_IN_TIME_SECONDS = 1.5
_TOO_LATE_SECONDS = 2.5
# More than any answer may have.
_HUGE_BYTES = 4 * 1024 * 1024
_RETRY_AFTER = {"retry-after": "3"}
_JSON = {"content-type": "application/json"}
_GARBAGE = (
    Reply(200, b"<html><body>Please log in.</body></html>", {"content-type": "text/html"}),
    Reply(200, b'{"call_sid": "OUT-', _JSON),
    Reply(200, b"", _JSON),
    Reply(200, b"\0" * 500, _JSON),
    Reply(200, b"[" * 100_000, _JSON),
    Reply(200, b"null", _JSON),
    Reply(200, b'{"call_sid": 7, "status": ["ringing"], "event_history": {"ringing": 1}}', _JSON),
    Reply(200, b"{" + b" " * _HUGE_BYTES + b"}", _JSON),
    Reply(204),
    Reply(302, b"", {"location": "/elsewhere"}),
    Reply(418, b"\xff\xfe"),
)


def _answers(*replies: Callable[[], Reply] | Reply) -> Trouble:
    """Answer with one of these each time."""

    def trouble(_: ASGIApp, chance: Random) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reply = chance.choice(replies)
            await answer(reply if isinstance(reply, Reply) else reply(), scope, receive, send)

        return app

    return trouble


def _sometimes(share: float, trouble: Trouble) -> Trouble:
    """Be in trouble for a share of all polls."""

    def mixed(truth: ASGIApp, chance: Random) -> ASGIApp:
        troubled = trouble(truth, chance)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await (troubled if chance.random() < share else truth)(scope, receive, send)

        return app

    return mixed


def _late(seconds: float) -> Trouble:
    """Answer truly, after a while."""

    def trouble(truth: ASGIApp, _: Random) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await after(seconds).waits_for.wait()
            await truth(scope, receive, send)

        return app

    return trouble


def _other_calls(truth: ASGIApp, _: Random) -> ASGIApp:
    """Answer with the status of the call that was asked for before."""
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await truth({**scope, "path": asked[-2] if len(asked) > 1 else asked[0]}, receive, send)

    return app


def _any_earlier_answer(truth: ASGIApp, chance: Random) -> ASGIApp:
    """Answer with what was true at any earlier poll of the call: caches in front of it keep several answers."""
    kept: dict[str, list[Reply]] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        replies = kept.setdefault(scope["path"], [])
        replies.append(await _ask(truth, scope, receive))
        await answer(chance.choice(replies), scope, receive, send)

    return app


def _rewritten(rewrite: Callable[[bytes, Random], bytes]) -> Trouble:
    """Answer with a body made of the true one."""

    def trouble(truth: ASGIApp, chance: Random) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            true = await _ask(truth, scope, receive)
            body = rewrite(true.body, chance) if true.status == 200 else true.body
            await answer(Reply(true.status, body, _JSON), scope, receive, send)

        return app

    return trouble


def _shorter_history(body: bytes, chance: Random) -> bytes:
    """Leave out the end of the history and tell the status that was then, as a replica does that lags behind."""
    told = json.loads(body)
    told["event_history"] = told["event_history"][: chance.randint(1, len(told["event_history"]))]
    ((status, at),) = told["event_history"][-1].items()
    return json.dumps(told | {"status": status, "last_updated": at}).encode()


def _cut_off(body: bytes, chance: Random) -> bytes:
    return body[: chance.randrange(len(body))]


async def _ask(app: ASGIApp, scope: Scope, receive: Receive) -> Reply:
    """Return what an app answers."""
    status, body = 0, b""

    async def keep(message: Message) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    await app(scope, receive, keep)
    return Reply(status, body, _JSON)


def _in(trouble: Trouble) -> Happens:
    """Let the upstream be in trouble; fails when nobody asked it meanwhile."""

    @asynccontextmanager
    async def happens(stage: Stage, chance: Random) -> AsyncIterator[None]:
        troubled = trouble(stage.upstream.truth, chance)
        asked = 0

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            await troubled(scope, receive, send)

        stage.upstream.trouble = counting
        try:
            yield
            something(asked, "nobody asked")
        finally:
            stage.upstream.trouble = None

    return happens


def _fault(name: str, trouble: Trouble, seconds: float = 6.0) -> Fault:
    return Fault(f"the upstream {name}", "upstream", _in(trouble), seconds, _HEALS_SECONDS)


FAULTS = (
    _fault("answers 500 to everything", _answers(Reply(500, b'{"error": "Failed"}', _JSON))),
    _fault("answers 500 to half of all polls", _sometimes(0.5, _answers(Reply(500)))),
    _fault("answers 503 with Retry-After", _answers(Reply(503, b"", _RETRY_AFTER))),
    _fault("answers 429 with Retry-After", _answers(Reply(429, b"", _RETRY_AFTER))),
    _fault("answers 429 to half of all polls", _sometimes(0.5, _answers(Reply(429, b"", _RETRY_AFTER)))),
    _fault("hangs", _answers(Reply(hangs=True))),
    _fault("hangs at half of all polls", _sometimes(0.5, _answers(Reply(hangs=True)))),
    _fault("answers barely in time", _late(_BARELY_IN_TIME_SECONDS)),
    _fault("answers just too late", _late(_TOO_LATE_SECONDS)),
    _fault("answers garbage", _answers(*_GARBAGE)),
    _fault("answers garbage to half of all polls", _sometimes(0.5, _answers(*_GARBAGE))),
    _fault("answers with truncated bodies", _rewritten(_cut_off)),
    _fault("answers with the status of other calls", _other_calls),
    _fault("answers what was true some polls ago", _any_earlier_answer),
    _fault("answers with shorter histories than before", _rewritten(_shorter_history)),
    # Shorter than the stage's patience with it.
    _fault("does not know its calls for a while", _answers(Reply(404, b'{"error": "Call SID not found."}', _JSON))),
    _fault("does not know half of its calls each time", _sometimes(0.5, _answers(Reply(404)))),
)
