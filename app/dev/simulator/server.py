"""The simulated upstream as an application.

`GET /api/v1/{account_id}/{project_id}/outbound-call/status/{call_sid}` is the vendor's endpoint, word for
word: 401 for a connector that is missing or not one of the account's, 400 for a malformed SID, the seed's
share of 500s, 404 for a call that is unknown, was triggered by another account, project or connector, or
ended too long ago.

The rest is ours, because the vendor's page does not describe it:

`POST /api/v1/{account_id}/{project_id}/outbound-call` with `X-CONNECTOR-ID` triggers a call: 201
`{"call_sid": "OUT-…"}`. The body is optional. Keys other than these are ignored, so the body of a real
trigger does no harm:
- `{"life": [[0, "CREATED"], [0.5, "queued"], …]}`: the call goes exactly so, in real seconds from the trigger
  whatever the time lapse. Any status is accepted; before the first step the call is unknown (404); without a
  terminal one it never ends.
- `{"count": 100}`: as many calls at once: 201 `{"call_sids": ["OUT-…", …]}`.

`GET /simulator/log` is the truth for a judge: one JSON object per line and call, in the order of triggering,
with `call_sid, account_id, project_id, triggered_at, expires_at, history, poll_count, polls`. The history is
all of it, also what is still to come: `status`, `timestamp` as the endpoint prints it, and `at`, the true
moment. `polls` are the last ones received: `at`, `code`, and the `status` shown (null unless 200). Moments
are Unix seconds with microseconds. `?call_sid=OUT-…` gives that call alone.

`GET /simulator/polls` counts the answers of the status endpoint: `{"total", "slow", "by_code": {"200": 12,
…}}`.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.dev.simulator import dialect
from app.dev.simulator.calls import Call, CallBook, Owner, Poll, microseconds
from app.dev.simulator.settings import SimulatorSettings
from app.dev.simulator.trigger import BadTrigger, One, parse_trigger

_TRIGGER_PATH = "/api/v1/{account_id}/{project_id}/outbound-call"
_MAX_BODY_BYTES = 1024 * 1024
_LOG_LINES_PER_CHUNK = 100
# A poller keeps its connections between two polls of the same call, which may be half a minute apart.
_KEEP_ALIVE_SECONDS = 75


def create_simulator(settings: SimulatorSettings, *, clock: Callable[[], float] = time.time) -> Starlette:
    """The application; `clock` tells Unix seconds."""
    simulator = _Simulator(settings, clock)
    return Starlette(
        routes=[
            Route(dialect.STATUS_PATH, simulator.status, methods=["GET"]),
            Route(_TRIGGER_PATH, simulator.trigger, methods=["POST"]),
            Route("/simulator/log", simulator.log, methods=["GET"]),
            Route("/simulator/polls", simulator.polls, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _plain_error},
        max_body_size=_MAX_BODY_BYTES,
    )


def run_simulator(settings: SimulatorSettings, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, in the foreground. Prints warnings only."""
    uvicorn.run(
        create_simulator(settings),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )


class _Simulator:
    def __init__(self, settings: SimulatorSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._book = CallBook(settings)
        self._connectors = {(owner.account_id, owner.project_id): owner.connector_ids for owner in settings.accounts}
        self._luck = random.Random(f"{settings.seed}/answers")  # noqa: S311 -- a game, not a secret
        self._codes: Counter[int] = Counter()
        self._slow = 0

    async def trigger(self, request: Request) -> Response:
        owner = _owner(request)
        if not self._knows(owner):
            return _response(dialect.UNAUTHORIZED)
        try:
            order = parse_trigger(await request.body())
        except BadTrigger as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        now = self._now()
        if isinstance(order, One):
            return JSONResponse({"call_sid": self._book.place(owner, order.script, now).call_sid}, status_code=201)
        placed = [self._book.place(owner, order.script, now).call_sid for _ in range(order.count)]
        return JSONResponse({"call_sids": placed}, status_code=201)

    async def status(self, request: Request) -> Response:
        if self._luck.random() < self._settings.slow_share:
            self._slow += 1
            await asyncio.sleep(self._settings.slow_seconds)
        call = self._book.find(request.path_params["call_sid"])
        now = self._now()
        answer = self._answer(_owner(request), request.path_params["call_sid"], call, now)
        self._codes[answer.code] += 1
        if call is not None:
            call.record(Poll(now, answer.code, answer.status))
        return _response(answer)

    async def log(self, request: Request) -> Response:
        wanted = request.query_params.get("call_sid")
        calls = [call for call in self._book if wanted in (None, call.call_sid)]
        return StreamingResponse(self._log_chunks(calls), media_type="application/x-ndjson")

    async def polls(self, _: Request) -> Response:
        by_code = {str(code): count for code, count in sorted(self._codes.items())}
        return JSONResponse({"total": self._codes.total(), "slow": self._slow, "by_code": by_code})

    def _answer(self, owner: Owner, call_sid: str, call: Call | None, now: int) -> dialect.Answer:
        if not self._knows(owner):
            return dialect.UNAUTHORIZED
        if not dialect.is_call_sid(call_sid):
            return dialect.INVALID_CALL_SID
        if self._luck.random() < self._settings.error_share:
            return dialect.FAILED
        if call is None or call.owner != owner:
            return dialect.NOT_FOUND
        shown = call.steps_shown(now)
        return dialect.status_answer(call, shown, self._settings) if shown else dialect.NOT_FOUND

    def _knows(self, owner: Owner) -> bool:
        return owner.connector_id in self._connectors.get((owner.account_id, owner.project_id), ())

    def _now(self) -> int:
        return microseconds(self._clock())

    async def _log_chunks(self, calls: Iterable[Call]) -> AsyncIterator[str]:
        """Many lines at a time, and other requests in between."""
        lines: list[str] = []
        for call in calls:
            lines.append(json.dumps(self._log_entry(call)) + "\n")
            if len(lines) == _LOG_LINES_PER_CHUNK:
                yield "".join(lines)
                lines.clear()
                await asyncio.sleep(0)
        yield "".join(lines)

    def _log_entry(self, call: Call) -> dict[str, object]:
        steps = zip(call.statuses, call.moments, strict=True)
        return {
            "call_sid": call.call_sid,
            "account_id": call.owner.account_id,
            "project_id": call.owner.project_id,
            "triggered_at": _seconds(call.triggered_at),
            "expires_at": None if call.expires_at is None else _seconds(call.expires_at),
            "history": [
                {"status": status, "timestamp": dialect.timestamp(at, self._settings), "at": _seconds(at)}
                for status, at in steps
            ],
            "poll_count": call.poll_count,
            "polls": [{"at": _seconds(poll.at), "code": poll.code, "status": poll.status} for poll in call.polls],
        }


def _owner(request: Request) -> Owner:
    """Who asks: a missing connector header reads as the empty one, which nobody has."""
    path = request.path_params
    return Owner(path["account_id"], path["project_id"], request.headers.get(dialect.CONNECTOR_HEADER, ""))


def _response(answer: dialect.Answer) -> Response:
    return Response(answer.body, answer.code, media_type="application/json")


def _seconds(at: int) -> float:
    return at / 1_000_000


async def _plain_error(_: Request, error: Exception) -> Response:
    """For paths, methods and sizes that this application does not take."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
